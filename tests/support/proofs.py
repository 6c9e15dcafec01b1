"""Pages that name a test for what they claim: that it is there, and runs.

A test is named as `tests/unit/test_x.py::test_y`. Checks files only; runs nothing.
"""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SWITCHED_OFF = {"skip", "skipif", "xfail"}


def named(text: str) -> list[tuple[str, str]]:
    """Return the tests that a text names, by path and name, each once."""
    return sorted(set(TEST.findall(text)))


def assert_runs(path: str, name: str) -> None:
    """Check that a test exists and is not switched off."""
    assert (ROOT / path).is_file(), f"there is no {path}; correct the path"
    found = _functions(path)
    assert name in found, f"{path} has no {name}; correct the name or drop the claim"
    assert not found[name] & SWITCHED_OFF, f"{name} is switched off"


@cache
def _functions(path: str) -> dict[str, set[str]]:
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


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a page as rows of cells, their heads included."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def links(text: str) -> list[str]:
    """Return the links of a page that lead to other files of ours."""
    return re.findall(r"\]\((?!http)([^)#]+)\)", text)
