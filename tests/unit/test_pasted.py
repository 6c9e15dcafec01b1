"""A page that is pasted fails where a reader would fail, and only there."""

import os
from pathlib import Path

import pytest

from support.pasted import Block, blocks, desk, pattern

PAGE = """\
# A page

```bash
name=world
```

```bash other
echo begun; sleep 600
```

```console other
begun
```

```bash
echo hello $name 17
```

```console
hello   … 3
```

```yaml
not: pasted
```
"""


def follow(folder: Path, page: list[Block]) -> None:
    with desk(folder, folder, os.environ) as reader:
        reader.follow(page)


def test_blocks_share_a_shell_and_show_what_is_printed(tmp_path: Path) -> None:
    assert [each.kind for each in blocks(PAGE)] == [
        *("bash", "bash", "console", "bash", "console")
    ]
    follow(tmp_path, blocks(PAGE))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("hello   …", "goodbye …"),
        ("echo hello", "false; echo hello"),
        ("echo begun; sleep 600", "true"),
    ],
)
def test_what_does_not_work_as_it_is_written_fails(
    tmp_path: Path, written: str, instead: str
) -> None:
    assert written in PAGE
    with pytest.raises(AssertionError, match="no "):
        follow(tmp_path, blocks(PAGE.replace(written, instead)))


@pytest.mark.parametrize(
    ("line", "printed", "fits"),
    [
        ("Up since …", "shop/a is Up since 2026-11-22T01:12:02Z (1s ago)", True),
        ("a  12", "a 7", True),
        ("a 12", "a x", False),
        ("(a)", "a", False),
    ],
)
def test_numbers_spaces_and_ellipses_stand_for_any(
    line: str, printed: str, fits: bool
) -> None:
    assert bool(pattern(line).search(printed)) == fits
