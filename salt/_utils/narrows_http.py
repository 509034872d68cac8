"""
Requests to the control port of the agent and to the admin port of the tracker.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import json
import urllib.error
import urllib.parse
import urllib.request

from salt.exceptions import CommandExecutionError


def url(address, path, query=None):
    """
    The URL of ``path`` at ``address`` (``HOST:PORT``; a wildcard means this machine).
    """
    host, _, port = str(address).rpartition(":")
    if host in ("0.0.0.0", ""):
        host = "127.0.0.1"
    elif host == "[::]":
        host = "[::1]"
    text = f"http://{host}:{port}{path}"
    if query:
        text += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
    return text


def request(method, address, path, query=None, token=None, timeout=10, who="The agent"):
    """
    Sends a request and returns the JSON (or the text) that comes back.

    :raises CommandExecutionError: one sentence: there is no answer, or what the answer says is wrong.
    """
    where = url(address, path, query)
    asked = urllib.request.Request(where, method=method)
    if token:
        asked.add_header("Authorization", f"Bearer {token}")
    # the ports are this machine's own: no proxy of its environment is between
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=timeout) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        said = _text(error.read())
        raise CommandExecutionError(f"{who} refused: {said or error.reason}") from error
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        raise CommandExecutionError(
            f"{who} does not answer at {address} ({reason}); start its service, or see its log."
        ) from error
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()


def _text(body):
    """
    The sentence in an error's body: ``{"error": ...}`` or plain text.
    """
    text = body.decode(errors="replace").strip()
    try:
        return json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text
