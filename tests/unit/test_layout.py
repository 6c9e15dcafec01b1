"""The tree's one trap: `operator` is a directory and must never become a package."""

import operator
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_operator_directory_is_no_package() -> None:
    stray = ROOT / "operator" / "__init__.py"
    assert not stray.exists(), (
        f"delete {stray}: with it, `import operator` finds this directory instead of "
        "the standard library's module, and Python itself breaks"
    )


def test_import_operator_finds_the_standard_library() -> None:
    assert operator.__file__ is not None
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))
