"""
Stands in for the ``firewall`` module of Windows, which runs ``netsh``: rules by name in the file ``netsh_rules`` of the
minion's configuration. The real state modules act on it. ``netsh_rules``.refuses and .forgets make it fail, with and
without a word.
"""

import json
import os

from salt.exceptions import CommandExecutionError

__virtualname__ = "firewall"


def __virtual__():
    return __virtualname__ if __opts__.get("netsh_rules") else (False, "not a test")


def _rules():
    try:
        with open(__opts__["netsh_rules"], encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def _write(rules):
    if os.path.exists(__opts__["netsh_rules"] + ".refuses"):
        raise CommandExecutionError("Der angeforderte Vorgang erfordert erhöhte Rechte.")
    if not os.path.exists(__opts__["netsh_rules"] + ".forgets"):
        with open(__opts__["netsh_rules"], "w", encoding="utf-8") as file:
            json.dump(rules, file)
    return True


def get_rule(name="all"):
    """
    As `netsh` says it in German.
    """
    found = {rule: port for rule, port in _rules().items() if name in ("all", rule)}
    if not found:
        raise CommandExecutionError("Es stimmen keine Regeln mit den angegebenen Kriterien überein.")
    lines = []
    for rule, port in found.items():
        lines += ["", f"Regelname:                            {rule}", "-" * 70, "Aktiviert:       Ja", f"Lokaler Port:    {port}"]
    return {name: "\r\n".join(lines)}


def add_rule(name, localport, protocol="tcp", action="allow", dir="in", remoteip="any"):
    assert (protocol, action, dir, remoteip) == ("tcp", "allow", "in", "any")
    return _write({**_rules(), name: localport})


def delete_rule(name=None, localport=None, protocol=None, dir=None, remoteip=None):
    return _write({rule: port for rule, port in _rules().items() if rule != name})
