"""docs/security.md claims no defence that no test shows."""

import pytest

from support.proofs import ROOT, TEST, assert_runs, links, named, tables

TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = named(TEXT)
THREATS = [
    row for table in tables(TEXT) if table[0][0] == "threat" for row in table[2:]
]


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists_and_is_not_switched_off(
    path: str, name: str
) -> None:
    assert_runs(path, name)


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_each_threat_has_a_defence_and_a_test(row: list[str]) -> None:
    _, defence, proof = row
    assert defence
    assert TEST.search(proof)


def test_the_tables_were_read() -> None:
    assert len(THREATS) > 20
    assert len(NAMED) > 40


@pytest.mark.parametrize("link", links(TEXT), ids=str)
def test_a_link_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
