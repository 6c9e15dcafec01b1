"""The zone files are the same everywhere, and the process can say which they are."""

import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tzdata

from heartbeats.app.zones import choose_zone_files, zone_version

PACKAGED = Path(tzdata.__file__).parent / "zoneinfo"
OF_THE_PACKAGE = f"{tzdata.IANA_VERSION} (package tzdata)"


@pytest.fixture(autouse=True)
def same_folders_afterwards() -> Iterator[None]:
    before = zoneinfo.TZPATH
    yield
    zoneinfo.reset_tzpath(to=before)
    ZoneInfo.clear_cache()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Read zones from a folder in which Berlin's clocks are Tokyo's."""
    shutil.copy(PACKAGED / "UTC", tmp_path)
    (tmp_path / "Europe").mkdir()
    shutil.copy(PACKAGED / "Asia" / "Tokyo", tmp_path / "Europe" / "Berlin")
    read_from(tmp_path)
    return tmp_path


def read_from(folder: Path) -> None:
    zoneinfo.reset_tzpath(to=[str(folder)])
    ZoneInfo.clear_cache()


def clock_in_berlin() -> str | None:
    return datetime(2026, 11, 21, tzinfo=ZoneInfo("Europe/Berlin")).tzname()


def test_the_packages_files_win_over_the_systems(folder: Path) -> None:
    assert clock_in_berlin() == "JST"
    choose_zone_files({})
    assert clock_in_berlin() == "CET"
    assert zone_version() == OF_THE_PACKAGE


def test_folders_that_are_named_win_over_the_package(folder: Path) -> None:
    choose_zone_files({"PYTHONTZPATH": str(folder)})
    assert clock_in_berlin() == "JST"
    assert zone_version() == f"unknown ({folder})"


def test_the_release_is_read_from_the_list_of_zones(folder: Path) -> None:
    (folder / "tzdata.zi").write_text("# version 2031x\n# rules\n")
    (folder / "+VERSION").write_text("1999a\n")
    assert zone_version() == f"2031x ({folder})"


def test_without_the_list_the_release_is_read_from_its_own_file(folder: Path) -> None:
    (folder / "tzdata.zi").write_text("no head\n")
    (folder / "+VERSION").write_text("2031y\n")
    assert zone_version() == f"2031y ({folder})"


def test_a_folder_without_zones_is_passed_over(tmp_path: Path) -> None:
    read_from(tmp_path)
    assert zone_version() == OF_THE_PACKAGE
