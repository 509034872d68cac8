"""
What has been published: files below ``narrows/`` in the master's file_roots and pillar_roots.

:maintainer: the Narrows developers
:maturity: new
:platform: all

``narrows/torrents/NAME-VERSION.torrent`` below file_roots; ``narrows/content/NAME.yaml`` below pillar_roots, and beside
it an ``init.sls`` that gives each minion the contents that target it.
"""

import json
import os
import re

import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError

#: What of a content's data the minions see.
_PILLAR = ("torrent", "info_hash", "version", "size", "file", "target", "ensure", "purge")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_INIT = """\
#!jinja|yaml
# Written by the runner narrows (salt-run narrows.publish, narrows.retire); changes made here are lost.
# Beside it lies what was published, a file each, with its target as a compound matcher. The id is said, for since Salt 3008
# the module takes its own for the master's here.
{{%- set mine = {{}} %}}
{{%- for name in {names} %}}
{{%-   import_yaml 'narrows/content/' ~ name ~ '.yaml' as data %}}
{{%-   if data.seeder == opts.id %}}
{{%-     set _ = mine.update({{name: dict(data.pillar, target=data.seeder_target, original=true)}}) %}}
{{%-   elif salt['match.compound'](data.tgt, opts.id) %}}
{{%-     set _ = mine.update({{name: data.pillar}}) %}}
{{%-   endif %}}
{{%- endfor %}}
narrows:
  content: {{{{ mine | json }}}}
"""


def check_name(name):
    """
    :raises CommandExecutionError: if a content cannot be called that.
    """
    if not _NAME.fullmatch(str(name)):
        raise CommandExecutionError(
            f"A content cannot be called {name!r}: letters, digits, dot, dash and underscore, 64 at most; choose another."
        )


def names(pillar_root):
    """
    The names of all that has been published.
    """
    try:
        found = os.listdir(os.path.join(pillar_root, "narrows", "content"))
    except FileNotFoundError:
        return []
    return sorted(file.removesuffix(".yaml") for file in found if file.endswith(".yaml"))


def load(pillar_root, name):
    """
    The data of a content, or None.
    """
    check_name(name)
    try:
        with salt.utils.files.fopen(_data_file(pillar_root, name)) as file:
            return salt.utils.yaml.safe_load(file)
    except FileNotFoundError:
        return None


def save(pillar_root, name, data):
    """
    Writes the data of a content, and the SLS that hands it out; None removes it.
    """
    check_name(name)
    file = _data_file(pillar_root, name)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    if data is None:
        if os.path.exists(file):
            # the SLS first: it must never name what is not there
            _write_init(pillar_root, [known for known in names(pillar_root) if known != name])
            os.remove(file)
        return
    data = dict(data, pillar={key: data[key] for key in _PILLAR if data.get(key) is not None})
    _replace(file, "# Written by the runner narrows.\n" + salt.utils.yaml.safe_dump(data, default_flow_style=False))
    _write_init(pillar_root, names(pillar_root))


def _write_init(pillar_root, known):
    text = _INIT.format(names=json.dumps(known))
    _replace(os.path.join(pillar_root, "narrows", "content", "init.sls"), text)


def _data_file(pillar_root, name):
    return os.path.join(pillar_root, "narrows", "content", f"{name}.yaml")


def torrent_folder(file_root):
    """
    Where .torrent files lie; made if it is not there.
    """
    folder = os.path.join(file_root, "narrows", "torrents")
    os.makedirs(folder, exist_ok=True)
    return folder


def _replace(file, text):
    """
    A reader sees the old file or the new one.
    """
    with salt.utils.files.fopen(file + ".new", "w") as new:
        new.write(text)
    os.replace(file + ".new", file)
