"""Which time zone files schedules are read with, and which release they are.

Decides where zoneinfo looks, for the whole process; knows nothing of schedules.
Left alone, zoneinfo takes the system's files before those of the package tzdata, so
one schedule could fire at different times on two machines of the same release.
"""

import zoneinfo
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = "tzdata"
_LIST = "tzdata.zi"
_LIST_HEAD = "# version "


def choose_zone_files(environ: Mapping[str, str]) -> None:
    """Read zones from the package tzdata only, unless PYTHONTZPATH names folders.

    To be called before the first schedule is parsed. Newer files than the package's
    are mounted and named by PYTHONTZPATH.
    """
    if "PYTHONTZPATH" not in environ and find_spec(_PACKAGE) is not None:
        zoneinfo.reset_tzpath(to=())
        zoneinfo.ZoneInfo.clear_cache()


def zone_version() -> str:
    """Tell the release of the zone files in use and where they lie.

    Such as "2026b (package tzdata)"; "unknown (/srv/zones)" where nothing says it.
    """
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "UTC").is_file():
            return f"{_version_in(folder)} ({folder})"
    if find_spec(_PACKAGE) is None:
        return "none (install the package tzdata)"
    return f"{import_module(_PACKAGE).IANA_VERSION} (package {_PACKAGE})"


def _version_in(folder: Path) -> str:
    """Read what Linux (tzdata.zi) and the BSDs (+VERSION) put beside the files."""
    try:
        with (folder / _LIST).open(encoding="utf-8", errors="replace") as lines:
            first = lines.readline()
        if first.startswith(_LIST_HEAD):
            return first.removeprefix(_LIST_HEAD).strip()
    except OSError:
        pass  # many images leave the list out
    try:
        return (folder / "+VERSION").read_text(errors="replace").strip()
    except OSError:
        return "unknown"
