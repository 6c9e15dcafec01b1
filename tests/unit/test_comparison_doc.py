"""docs/comparison.md claims nothing for Heartbeats that no test proves."""

import pytest

from support.proofs import ROOT, assert_runs, named, tables

NAMES, ANSWERS = tables((ROOT / "docs" / "comparison.md").read_text())
ROWS = ANSWERS[2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_claimed_for_us_is_proved_by_tests_that_run(row: list[str]) -> None:
    proofs = named(row[1])
    assert proofs, f"name the test that proves it, as `path::name`: {row[0]}"
    for path, name in proofs:
        assert_runs(path, name)


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
