"""The conventions of the resource's definition, checked by walking its YAML.

What the API server makes of it is for the integration tests.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from heartbeats.core.model import Health, Kind
from support.full_state import full_status

FILE = Path(__file__).parents[2] / "crds" / "heartbeatmonitors.yaml"

DURATIONS = {
    "interval": "10s",
    "gracePeriod": "0s",
    "maxRuntime": "1s",
    "firstCheckInWithin": "1s",
}
"""Duration fields of the spec and their lower bounds."""

Schema = dict[str, Any]


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema in a schema with its path; items are "[]", values "{}"."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


CRD = yaml.safe_load(FILE.read_text())
VERSION = CRD["spec"]["versions"][0]
ROOT: Schema = VERSION["schema"]["openAPIV3Schema"]
SPEC: Schema = ROOT["properties"]["spec"]
STATUS: Schema = ROOT["properties"]["status"]
OURS = [*walk(SPEC, ".spec"), *walk(STATUS, ".status")]
"""Every schema but those of apiVersion, kind and metadata."""


def of_type(kind: str) -> list[Any]:
    return [pytest.param(s, id=path) for path, s in OURS if s["type"] == kind]


def test_names_are_those_that_people_type() -> None:
    spec = CRD["spec"]
    assert CRD["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert spec["names"] == {
        "kind": "HeartbeatMonitor",
        "listKind": "HeartbeatMonitorList",
        "plural": "heartbeatmonitors",
        "singular": "heartbeatmonitor",
        "shortNames": ["hbm"],
        "categories": ["heartbeats"],
    }
    assert spec["scope"] == "Namespaced"


def test_there_is_one_version_with_a_status_subresource() -> None:
    assert [v["name"] for v in CRD["spec"]["versions"]] == ["v1alpha1"]
    assert VERSION["served"]
    assert VERSION["storage"]
    assert VERSION["subresources"] == {"status": {}}


def test_the_file_holds_nothing_that_the_server_writes() -> None:
    assert "status" not in CRD
    assert set(CRD["metadata"]) == {"name", "labels"}


def nodes(value: Any) -> Iterator[Any]:
    """Yield every value of a YAML document."""
    yield value
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for item in inner:
            yield from nodes(item)


def test_no_key_of_the_file_stands_there_twice() -> None:
    """A YAML reader takes the last of two without a word."""
    for node in tree(yaml.compose(FILE.read_text())):
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), node.start_mark


def tree(node: Any) -> Iterator[yaml.Node]:
    """Yield every node of a YAML document, before it is made into values."""
    yield node
    if not isinstance(node, yaml.ScalarNode):
        for item in node.value:
            for inner in item if isinstance(item, tuple) else [item]:
                yield from tree(inner)


def test_no_list_in_the_file_is_empty() -> None:
    assert [] not in list(nodes(CRD))


def test_no_field_has_a_schema_default() -> None:
    assert [path for path, schema in walk(ROOT) if "default" in schema] == []


def test_nothing_escapes_the_schema() -> None:
    escapes = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"}
    assert [path for path, schema in walk(ROOT) if escapes & set(schema)] == []


def test_every_field_has_a_type_and_none_is_a_float() -> None:
    types = {schema["type"] for _, schema in walk(ROOT)}
    assert types == {"object", "array", "string", "integer", "boolean"}


@pytest.mark.parametrize("schema", of_type("array"))
def test_a_list_is_typed_and_bounded(schema: Schema) -> None:
    assert schema["maxItems"] >= 1
    kind = schema["x-kubernetes-list-type"]
    assert kind in {"atomic", "set", "map"}
    keys = schema.get("x-kubernetes-list-map-keys", [])
    assert bool(keys) == (kind == "map")
    assert set(keys) <= set(schema["items"].get("required", []))


@pytest.mark.parametrize("schema", of_type("string"))
def test_a_string_is_bounded(schema: Schema) -> None:
    assert "maxLength" in schema or "enum" in schema or schema["format"] == "date-time"


@pytest.mark.parametrize("schema", of_type("integer"))
def test_an_integer_has_a_width(schema: Schema) -> None:
    assert schema["format"] in {"int32", "int64"}


def test_only_exit_codes_may_be_negative() -> None:
    signed = {
        path
        for path, s in OURS
        if s["type"] == "integer" and ("minimum" not in s or s["minimum"] < 0)
    }
    assert {path.rpartition(".")[2] for path in signed} == {"exitCode", "lastExitCode"}


@pytest.mark.parametrize("schema", of_type("object"))
def test_an_object_names_its_fields_or_bounds_them(schema: Schema) -> None:
    assert "properties" in schema or "maxProperties" in schema
    assert set(schema.get("required", [])) <= set(schema.get("properties", {}))


def described() -> list[Any]:
    # A list's or map's own description speaks for its plain items.
    plain = ("[]", "{}")
    return [
        pytest.param(schema["type"], schema.get("description", ""), id=path)
        for path, schema in OURS
        if schema["type"] == "object" or not path.endswith(plain)
    ]


@pytest.mark.parametrize(("kind", "text"), described())
def test_a_field_is_described_in_sentences(kind: str, text: str) -> None:
    assert text.endswith(".")
    # A description may begin with the name of a field.
    assert text[0].isupper() or text.startswith(("activeDeadlineSeconds", "metadata."))


@pytest.mark.parametrize("name", sorted(SPEC["properties"]))
def test_a_spec_field_says_what_happens_without_it(name: str) -> None:
    words = ("default", "when it is not written", "exactly one of")
    assert any(w in SPEC["properties"][name]["description"].lower() for w in words)


@pytest.mark.parametrize(("name", "low"), DURATIONS.items())
def test_a_duration_is_a_guarded_string(name: str, low: str) -> None:
    schema = SPEC["properties"][name]
    [validation] = schema["x-kubernetes-validations"]
    guard, least, most = validation["rule"].split(" && ")
    assert guard.startswith("self.matches('^")
    assert least == f"duration(self) >= duration('{low}')"
    assert most == "duration(self) <= duration('8784h')"
    assert f'not "1d", from {low} to 8784h' in validation["message"]
    assert "pattern" not in schema


def test_durations_share_one_grammar() -> None:
    rules = (
        SPEC["properties"][n]["x-kubernetes-validations"][0]["rule"] for n in DURATIONS
    )
    assert len({rule.split(" && ")[0] for rule in rules}) == 1


def test_duration_is_never_called_on_what_was_not_matched_first() -> None:
    for _, schema in walk(ROOT):
        for validation in schema.get("x-kubernetes-validations", []):
            rule = validation["rule"]
            if "duration(self)" in rule:
                assert rule.index("matches(") < rule.index("duration(self)")


def test_the_grammar_cannot_name_a_span_that_overflows() -> None:
    """Four of the longest parts fit in 64 bits of nanoseconds (292 years)."""
    rule = SPEC["properties"]["interval"]["x-kubernetes-validations"][0]["rule"]
    grammar = re.compile(rule.split("'")[1])
    longest = {"99999h": 3600, "999999m": 60, "99999999s": 1}
    for text, unit in longest.items():
        assert grammar.match(text * 4)
        assert not grammar.match(f"1{text}")
        assert 4 * int(text[:-1]) * unit * 10**9 < 2**63


def test_every_rule_has_a_message_that_begins_like_a_sentence_of_the_server() -> None:
    for path, schema in walk(ROOT):
        for validation in schema.get("x-kubernetes-validations", []):
            message = validation["message"]
            assert message[0].islower(), path
            assert not message.endswith("."), path
            assert "\n" not in message, path


def test_conditions_are_the_first_field_and_have_the_usual_shape() -> None:
    assert next(iter(STATUS["properties"])) == "conditions"
    conditions = STATUS["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    item = conditions["items"]
    assert set(item["required"]) == {
        *("type", "status", "reason", "message", "lastTransitionTime"),
    }
    assert set(item["properties"]) == {*item["required"], "observedGeneration"}
    assert item["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


def test_the_columns_are_what_an_operator_wants_to_see() -> None:
    columns = VERSION["additionalPrinterColumns"]
    wide = [c["name"] for c in columns if c.get("priority", 0) > 0]
    usual = [c["name"] for c in columns if c["name"] not in wide]
    assert usual == [
        *("State", "Schedule", "Last check-in", "Next expected", "Reason", "Age"),
    ]
    assert wide == ["Source", "Grace", "Deadline", "Message"]


def test_a_column_of_a_future_time_is_a_string() -> None:
    types = {c["name"]: c["type"] for c in VERSION["additionalPrinterColumns"]}
    assert types["Next expected"] == types["Deadline"] == "string"
    assert types["Last check-in"] == types["Age"] == "date"


def test_every_column_shows_a_field_that_exists() -> None:
    known = {path for path, _ in walk(ROOT)}
    for column in VERSION["additionalPrinterColumns"]:
        if column["name"] != "Age":
            field = re.sub(r"\[\?\(.*\)\]", "[]", column["jsonPath"])
            assert field in known, column["name"]


def test_what_is_effective_is_named_as_in_the_spec() -> None:
    effective = set(STATUS["properties"]["effective"]["properties"])
    not_policy = {"cronJob", "ping", "suspend", "suspendUntil"}
    assert effective - {"activeDeadline", "origins"} == (
        set(SPEC["properties"]) - not_policy
    )


def test_what_a_spec_holds_fits_into_what_is_effective() -> None:
    effective = STATUS["properties"]["effective"]["properties"]
    for name, schema in SPEC["properties"].items():
        if schema["type"] == "string" and name in effective:
            assert effective[name]["maxLength"] >= schema["maxLength"], name


def test_the_fields_of_time_are_named_time() -> None:
    """A new reader knows an instant by its name."""
    odd = {".spec.suspendUntil", ".status.deadline", ".status.source.armedSince"}
    times = {
        path
        for path, s in OURS
        if s.get("format") == "date-time" and not path.endswith("[]")
    }
    assert {p for p in times if not p.lower().endswith("time")} == odd


def paths(value: Any, path: str = ".status") -> Iterator[str]:
    """Yield the path of every field of a status, as `walk` names them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")
    else:
        yield path


def test_everything_the_operator_writes_has_a_place() -> None:
    """A field that the schema lacks would be forgotten by a restart."""
    known = {path for path, _ in walk(STATUS, ".status")}
    written = {p for p in paths(full_status()) if ".origins." not in p}
    assert written - known == set()


def test_the_schema_knows_the_words_of_the_model() -> None:
    enums = {path: schema["enum"] for path, schema in OURS if "enum" in schema}
    flip = ".status.pendingFlips[]"
    for path in (".status.state", f"{flip}.before", f"{flip}.after"):
        assert enums[path] == list(Health)
    assert enums[".status.lastCheckIn.kind"] == list(Kind)
