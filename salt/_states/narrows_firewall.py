"""
The firewall of Windows lets neighbours reach the agent.

:maintainer: the Narrows developers
:maturity: new
:depends: execution module firewall (netsh)
:platform: Windows

Salt's own ``win_firewall.add_rule`` looks at a rule's name only, is content when adding fails, and never removes one.
So here the port is part of the name, which tells our rules from all others in any language of Windows.

.. code-block:: yaml

    narrows-agent-firewall:
      narrows_firewall.only:
        - name: Narrows agent
        - port: 6881
"""

import re

from salt.exceptions import CommandExecutionError

__virtualname__ = "narrows_firewall"


def __virtual__():
    if "firewall.add_rule" in __salt__:
        return __virtualname__
    return False, "Only Windows has the execution module firewall."


def only(name, port=None):
    """
    Of the rules called ``NAME (TCP <port>)`` there is the one that opens this port, and no other.

    name
        What our rules are called, without the port.

    port
        The TCP port that anybody may connect to; None: no rule is left.
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    wanted = set() if port is None else {f"{name} (TCP {port})"}
    try:
        there = _rules(name)
        changes = {rule: {"old": "absent", "new": "open"} for rule in sorted(wanted - there)}
        changes.update({rule: {"old": "open", "new": "absent"} for rule in sorted(there - wanted)})
        if __opts__["test"] or not changes:
            return {**ret, "result": None if changes else True, "changes": changes}
        # the old port stays open until the new one is
        for rule in sorted(wanted - there):
            __salt__["firewall.add_rule"](rule, port, protocol="tcp", action="allow", dir="in")
            ret["changes"][rule] = changes[rule]
        for rule in sorted(there - wanted):
            __salt__["firewall.delete_rule"](rule)
            ret["changes"][rule] = changes[rule]
        left = _rules(name)
    except CommandExecutionError as error:
        comment = f"The firewall refuses: {str(error).strip()} If group policy rules it, say `firewall: false` in the pillar."
        return {**ret, "result": False, "comment": comment}
    if left != wanted:
        comment = f"The firewall has {_list(left)} instead of {_list(wanted)}; see `netsh advfirewall firewall show rule`."
        return {**ret, "result": False, "changes": {}, "comment": comment}
    return ret


def _rules(name):
    """
    Our rules' names. `netsh` labels its lines in the language of Windows, so only the names themselves are looked for.
    """
    try:
        text = __salt__["firewall.get_rule"]("all")["all"]
    except CommandExecutionError:
        # so it says, too, where there is no rule at all; if it is broken it does not add one either
        return set()
    return set(re.findall(rf"(?m)(?::|\s\s)\s*({re.escape(name)} \(TCP \d+\))\s*$", text))


def _list(rules):
    return ", ".join(sorted(rules)) or "no rule of ours"
