"""
Stands in for systemd in the masterless tests: ``service.*`` that runs what a unit's ExecStart says as a process, and
waits for its READY=1. (The fleet's test has real systemd.) Units and pids are below ``process_service`` of the minion's
configuration.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import time

__virtualname__ = "service"

_PATIENCE = 20


def __virtual__():
    return __virtualname__ if __opts__.get("process_service") else (False, "not a test")


def _place(name, end):
    return os.path.join(__opts__["process_service"], name + end)


def _began(pid):
    """
    When a process began, in the kernel's ticks; None if it does not run. Numbers of processes come again within minutes
    where many are started, so a number alone may be anybody's.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _pid(name):
    try:
        with open(_place(name, ".pid"), encoding="ascii") as file:
            pid, began = file.read().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _began(pid) == began else None


def available(name):
    return os.path.exists(_place(name, ".service"))


def missing(name):
    return not available(name)


def status(name, sig=None):
    return _pid(name) is not None


def start(name):
    if _pid(name):
        return True
    with open(_place(name, ".service"), encoding="utf-8") as file:
        command = re.search(r"^ExecStart=(.*)$", file.read(), re.MULTILINE)[1]
    told = _place(name, ".notify")
    if os.path.exists(told):
        os.remove(told)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(_place(name, ".log"), "ab") as log:
        ready.bind(told)
        ready.settimeout(0.1)
        # specifiers and variables are escaped there
        words = shlex.split(command.replace("%%", "%").replace("$$", "$"))
        process = subprocess.Popen(
            words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": told}
        )
        with open(_place(name, ".pid"), "w", encoding="ascii") as file:
            file.write(f"{process.pid} {_began(process.pid)}")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if ready.recv(256).startswith(b"READY=1"):
                    return True
            except TimeoutError:
                pass
    return False


def stop(name):
    pid = _pid(name)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while _pid(name) and time.monotonic() < deadline:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.02)
    return _pid(name) is None


def restart(name):
    return stop(name) and start(name)


def enabled(name, **kwargs):
    return os.path.exists(_place(name, ".enabled"))


def disabled(name, **kwargs):
    return not enabled(name)


def enable(name, **kwargs):
    with open(_place(name, ".enabled"), "w", encoding="ascii"):
        return True


def disable(name, **kwargs):
    if enabled(name):
        os.remove(_place(name, ".enabled"))
    return True


def systemctl_reload():
    return True


def offline():
    return False
