"""docs/reference.md is made from the definition, and the definition is all of it."""

import re

import pytest

from heartbeats.core.model import Reason
from heartbeats.core.policy import ANNOTATIONS, MONITOR_ANNOTATION, PREFIX
from support.reference import TARGET, annotation, field_of, reference

PAGE = TARGET.read_text()
FIELDS = re.findall(r"^\| `([\w.\[\]]+)` \|", PAGE, re.MULTILINE)


def test_the_page_is_what_the_definition_says() -> None:
    assert reference() == PAGE, "run `make docs`"


@pytest.mark.parametrize("name", sorted(ANNOTATIONS))
def test_an_annotation_stands_for_a_field_or_is_explained(name: str) -> None:
    if name == MONITOR_ANNOTATION:
        assert "false" in annotation(name)
    else:
        assert field_of(name) in FIELDS, f"{name} stands for no field"
    assert f"`{name}`" in PAGE


def test_nested_fields_and_every_reason_are_there() -> None:
    for name in ("ping.tokenHashes", "conditions[].reason", "applied.lastReport.kind"):
        assert name in FIELDS
    assert all(f"`{each}`" in PAGE for each in Reason)
    assert PREFIX in PAGE
