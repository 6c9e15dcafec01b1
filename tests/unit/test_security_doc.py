"""docs/security.md claims no defence that no test shows."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED = sorted(set(TEST.findall(TEXT)))
SWITCHED_OFF = {"skip", "skipif", "xfail"}


@cache
def functions(path: str) -> dict[str, set[str]]:
    """Return the tests of a file, with the words of their decorators."""
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name: {
            word.attr
            for decorator in node.decorator_list
            for word in ast.walk(decorator)
            if isinstance(word, ast.Attribute)
        }
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists_and_is_not_switched_off(
    path: str, name: str
) -> None:
    assert name in functions(path), f"{path} has no {name}"
    assert not functions(path)[name] & SWITCHED_OFF


def threats() -> list[tuple[str, str, str]]:
    """Return the rows of the tables of threats."""
    rows = [
        line.strip("|").split(" | ") for line in TEXT.splitlines() if line[:2] == "| "
    ]
    return [(row[0].strip(), row[1], row[2]) for row in rows if len(row) == 3]


THREATS = [row for row in threats() if row[0] != "threat"]


@pytest.mark.parametrize(
    ("defence", "proof"),
    [pytest.param(each[1], each[2], id=each[0]) for each in THREATS],
)
def test_each_threat_has_a_defence_and_a_test(defence: str, proof: str) -> None:
    assert defence.strip()
    assert TEST.search(proof)


def test_the_tables_were_read() -> None:
    assert len(THREATS) > 20
    assert len(NAMED) > 40


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT), ids=str)
def test_a_link_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
