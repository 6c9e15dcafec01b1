"""Makes docs/reference.md from the definition, which is the one source: `make docs`.

A unit test compares. What the code knows besides, annotations and reasons, is taken
from the code; the sentences about it are here.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from heartbeats.core.model import Reason
from heartbeats.core.policy import ANNOTATIONS, MONITOR_ANNOTATION, PREFIX
from support.alert_rules import ROOT

DEFINITION: Final = ROOT / "crds" / "heartbeatmonitors.yaml"
TARGET: Final = ROOT / "docs" / "reference.md"

HEAD: Final = """\
# HeartbeatMonitor, field by field

<!-- Made by `make docs` from crds/heartbeatmonitors.yaml: change that. -->

`heartbeats.dev/v1alpha1`, short name `hbm`. `kubectl explain heartbeatmonitor.spec`
tells the same of what is installed. The API changes by addition only.

## Where a value comes from

The first of these that has one:

1. the field in `spec`
2. the annotation on the CronJob
3. the same annotation on the Namespace
4. a flag of the operator, which the time zone alone has (`--cluster-time-zone`)
5. what is built in

The schedule and `timeZone` of a CronJob are always its own. Nothing is ever written
back into a spec, so a changed default reaches every monitor. `status.effective` shows
what is applied, and `origins` in it where each value came from. An annotation that is
not understood is named in the message of the condition `Ready`; the next level is used.

"""

ANNOTATION_WORDS: Final = {
    MONITOR_ANNOTATION: (
        '`"false"`: no monitor is made for it; `"true"`: one is made, also with '
        "`--auto-monitor=annotated`. `--auto-monitor=off` and "
        "`--exclude-namespaces` go before it"
    ),
}

STATUS_HEAD: Final = """
## `status`

Written by the operator alone. It restores the operator's state: edit nothing in it.

"""


def reference() -> str:
    """Return the page."""
    definition = yaml.safe_load(DEFINITION.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec, status = (schema["properties"][each] for each in ("spec", "status"))
    parts = [
        HEAD,
        "## `spec`\n\n",
        f"{_line(spec['description'])}\n\n",
        _table(_fields(spec, "")),
        "\nRefused when it is created or changed:\n\n",
        "".join(f"- {each}\n" for each in _refusals(schema)),
        "\n## Annotations\n\n",
        "On a CronJob, or on its Namespace for all CronJobs in it.\n\n",
        "| annotation | what it is |\n|---|---|\n",
        "".join(f"| `{each}` | {annotation(each)} |\n" for each in _annotations()),
        STATUS_HEAD,
        _table(_fields(status, "")),
        "\n## Conditions and reasons\n\n",
        f"{_line(status['properties']['conditions']['description'])}\n\n",
        "[The states](states.md#every-reason) explain each reason: ",
        ", ".join(f"`{each}`" for each in Reason) + ".\n",
    ]
    return "".join(parts)


def annotation(name: str) -> str:
    """Say what an annotation is; most are a field of the spec under another name."""
    return ANNOTATION_WORDS.get(name) or f"`spec.{field_of(name)}`"


def field_of(name: str) -> str:
    """Return the field that an annotation stands for: runbook-url is runbookURL."""
    first, *rest = name.removeprefix(PREFIX).split("-")
    return first + "".join(
        each.upper() if each == "url" else each.title() for each in rest
    )


def _annotations() -> list[str]:
    return sorted(ANNOTATIONS, key=lambda name: (name != MONITOR_ANNOTATION, name))


def _fields(schema: Any, path: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, bounds and description of every field, parents first."""
    for name, each in schema.get("properties", {}).items():
        where = f"{path}{name}"
        items = each.get("items")
        kind = f"list of {_kind(items)}" if items else _kind(each)
        said = _line(each.get("description", ""))
        if name in schema.get("required", ()):
            said = f"Required. {said}"
        yield where, kind, _bounds(each), said
        yield from _fields(items or each, f"{where}{'[]' if items else ''}.")


def _kind(schema: Any) -> str:
    kind: str = schema["type"]
    if schema.get("format") == "date-time":
        return "time"
    if "additionalProperties" in schema:
        return "map of strings"
    return kind


def _bounds(schema: Any) -> str:
    found = []
    if "enum" in schema:
        found.append(", ".join(f"`{each}`" for each in schema["enum"]))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        found.append(_span(low, high))
    sizes = [schema.get(each) for each in ("minLength", "maxLength")]
    if any(sizes):
        found.append(_span(*sizes) + " characters")
    if "maxItems" in schema:
        found.append(f"up to {schema['maxItems']}")
    items = schema.get("items", {})
    if items.get("maxLength"):
        sizes = [items.get("minLength"), items["maxLength"]]
        found.append(f"each {_span(*sizes)} characters")
    return "; ".join(found)


def _span(low: int | None, high: int | None) -> str:
    if low == high:
        return f"{low}"
    if high is None:
        return f"from {low}"
    return f"up to {high}" if low is None else f"{low} to {high}"


def _refusals(schema: Any) -> Iterator[str]:
    """Yield what the rules of the schema say, each once."""
    seen = set[str]()
    for each in _rules(schema):
        text = _line(each["message"])
        if text not in seen:
            seen.add(text)
            yield text


def _rules(schema: Any) -> Iterator[Any]:
    yield from schema.get("x-kubernetes-validations", ())
    for each in (*schema.get("properties", {}).values(), schema.get("items")):
        if each:
            yield from _rules(each)


def _table(rows: Iterator[tuple[str, str, str, str]]) -> str:
    head = "| field | type | bounds | meaning |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{name}` | {kind} | {bounds} | {said} |\n"
        for name, kind, bounds, said in rows
    )


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    TARGET.write_text(reference())
