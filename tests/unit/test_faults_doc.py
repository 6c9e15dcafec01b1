"""docs/faults.md promises nothing that no test shows."""

import pytest

from support.proofs import ROOT, TEST, assert_runs, links, named, tables

TEXT = (ROOT / "docs" / "faults.md").read_text()
NAMED = named(TEXT)
ALL = tables(TEXT)
FAULTS = [row for table in ALL if table[0][0] == "fault" for row in table[2:]]
RULES = [row for table in ALL if table[0][0] == "rule" for row in table[2:]]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists_and_is_not_switched_off(
    path: str, name: str
) -> None:
    assert_runs(path, name)


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row[0])
def test_each_fault_has_a_promise_a_sign_and_a_test(row: list[str]) -> None:
    _, promise, sign, proof = row
    assert promise
    assert sign
    assert TEST.search(proof)


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[0])
def test_each_rule_has_a_reason_and_a_test(row: list[str]) -> None:
    _, reason, proof = row
    assert reason
    assert TEST.search(proof)


def test_every_test_of_a_fault_is_named() -> None:
    """What is tried by breaking something is also told."""
    folder = ROOT / "tests" / "integration" / "faults"
    tried = {f"tests/integration/faults/{each.name}" for each in folder.glob("test_*")}
    assert tried == {path for path, _ in NAMED if "integration/faults/" in path}


def test_the_tables_were_read() -> None:
    assert len(FAULTS) > 20
    assert len(RULES) > 15


@pytest.mark.parametrize("link", links(TEXT), ids=str)
def test_a_link_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
