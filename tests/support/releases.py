"""A release that comes after this one: its package, changed as a next one may be.

It writes more than this release knows, in the journal and in statuses, and needs none
of it back. It holds no expectations.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import heartbeats
from support.kube import Kube
from support.resources import CRDS, Object

NEXT = "99.0.0"

_CHANGES = {
    "__init__.py": {'__version__ = "': f'__version__ = "{NEXT}"  # was "'},
    "journal/entries.py": {
        # A field of every check-in, one of every entry and one of the segment.
        "    detail: dict[str, object] = {}\n": (
            "    detail: dict[str, object] = {}\n    attempt: int = 0\n"
        ),
        "            detail=dict(check_in.detail),\n": (
            "            detail=dict(check_in.detail),\n            attempt=3,\n"
        ),
        "    format_version: int\n": "    format_version: int\n    writer: str\n",
        "_Segment(FORMAT_VERSION, entries)": '_Segment(FORMAT_VERSION, "9", entries)',
        "_segments = msgspec.json.Decoder(_Segment)": (
            "class _Read(msgspec.Struct, rename='camel'):\n"
            "    format_version: int\n"
            "    entries: msgspec.Raw\n"
            "    writer: str = ''\n"
            "_segments = msgspec.json.Decoder(_Read)"
        ),
    },
    "core/status.py": {
        "FORMAT_VERSION = 1": "FORMAT_VERSION = 2",
        '        "formatVersion": FORMAT_VERSION,\n': (
            '        "formatVersion": FORMAT_VERSION,\n'
            '        "outlook": {"word": word_now.health.value},\n'
        ),
    },
}
"""What is replaced by what, in which file: each must be there exactly once."""


def make_next(folder: Path) -> Path:
    """Write the next release; returns the folder that holds its package."""
    package = Path(heartbeats.__file__).parent
    target = folder / package.name
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in _CHANGES.items():
        text = (target / name).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} is not once in {name}"
            text = text.replace(old, new)
        (target / name).write_text(text)
    return folder


@contextmanager
def definition_of_next(kube: Kube) -> Iterator[None]:
    """Install the next release's definition, and this release's again after."""
    name = "heartbeatmonitors.heartbeats.dev"
    before = kube.get(CRDS, None, name)
    kube.replace(_with_outlook(before))
    try:
        yield
    finally:
        now = kube.get(CRDS, None, name)
        kube.replace({**now, "spec": before["spec"]})


def _with_outlook(definition: Object) -> Object:
    changed = deepcopy(definition)
    for version in changed["spec"]["versions"]:
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        outlook = {"type": "object", "properties": {"word": {"type": "string"}}}
        status["properties"]["outlook"] = outlook
    return changed
