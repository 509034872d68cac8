"""
The agent's files on this machine: its configuration, its token, what it last wrote down of a content.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import json
import os
import shutil

import salt.utils.files
import salt.utils.platform
import salt.utils.yaml
from salt.exceptions import CommandExecutionError


def default_config_path():
    """
    Where the formula puts the configuration.
    """
    return r"C:\ProgramData\Narrows\agent.yaml" if salt.utils.platform.is_windows() else "/etc/narrows/agent.yaml"


def write_config(path, config):
    """
    Replaces the configuration as a whole, with the owner and mode that it has.
    """
    new = path + ".new"
    before = os.stat(path)
    with salt.utils.files.fopen(new, "w") as file:
        salt.utils.yaml.safe_dump(config, file, default_flow_style=False)
    shutil.copymode(path, new)
    if not salt.utils.platform.is_windows():
        os.chown(new, before.st_uid, before.st_gid)
    os.replace(new, path)


def state_folder(config):
    """
    The folder of what outlives a restart; of an empty configuration the agent's default.
    """
    default = r"C:\ProgramData\Narrows\state" if salt.utils.platform.is_windows() else "/var/lib/narrows/state"
    return config.get("state", default)


def token(config):
    """
    What a request that changes something must carry.

    :raises CommandExecutionError: the agent has written none yet.
    """
    path = os.path.join(state_folder(config), "control.token")
    try:
        with salt.utils.files.fopen(path) as lines:
            return lines.read().strip()
    except OSError as error:
        raise CommandExecutionError(
            f"Cannot read the agent's token {path} ({error.strerror}); start its service, which writes it."
        ) from error


def phase(state, info_hash):
    """
    How far the agent had come with a content when it last wrote that down: ``complete``, ``fetching``...; None if it has
    no record ``<state>/<info hash>.resume``, which is a line with its SHA-1, then JSON.
    """
    try:
        with salt.utils.files.fopen(os.path.join(state, f"{info_hash}.resume")) as file:
            return json.loads(file.read().partition("\n")[2])["phase"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
