"""
The configuration that a program of Narrows reads on this machine: agent.yaml or tracker.yaml.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError


def read(path, program):
    """
    What the configuration of ``agent`` or ``tracker`` says.

    :raises CommandExecutionError: it cannot be read, or is no configuration.
    """
    mend = f"apply the state narrows.{program}"
    try:
        with salt.utils.files.fopen(path) as file:
            config = salt.utils.yaml.safe_load(file) or {}
    except OSError as error:
        raise CommandExecutionError(
            f"Cannot read the {program}'s configuration {path} ({error.strerror}); {mend}."
        ) from error
    except salt.utils.yaml.YAMLError as error:
        raise CommandExecutionError(f"The {program}'s configuration {path} is no YAML: {error}") from error
    if not isinstance(config, dict):
        raise CommandExecutionError(f"The {program}'s configuration {path} is no configuration; {mend}.")
    return config
