"""docs/comparison.md claims nothing for Heartbeats that no test proves."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "comparison.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SWITCHED_OFF = {"skip", "skipif", "xfail"}


def tables() -> list[list[list[str]]]:
    """Return the tables as rows of cells, their heads included."""
    found: list[list[list[str]]] = [[]]
    for line in DOC.read_text().splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


NAMES, ANSWERS = tables()
ROWS = ANSWERS[2:]


@cache
def functions(path: str) -> dict[str, set[str]]:
    """Return the test functions of a file with the words of their decorators."""
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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_claimed_for_us_is_proved_by_tests_that_run(row: list[str]) -> None:
    named = TEST.findall(row[1])
    assert named, f"name the test that proves it, as `path::name`: {row[0]}"
    for path, name in named:
        assert (ROOT / path).is_file(), f"there is no {path}; correct the path"
        found = functions(path)
        assert name in found, f"{path} has no {name}; correct the name or drop the row"
        assert not found[name] & SWITCHED_OFF, f"{name} is switched off"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_question_is_answered_for_everybody(row: list[str]) -> None:
    assert len(row) == len(ANSWERS[0])
    assert all(row), f"an answer is missing: {row[0]}"


def test_every_product_is_named_with_its_version() -> None:
    assert len(NAMES[2:]) == len(ANSWERS[0]) - 1
    assert all(len(row) == 3 and all(row) for row in NAMES[2:])


def test_no_question_is_asked_twice() -> None:
    questions = [row[0] for row in ROWS]
    assert len(questions) == len(set(questions))
