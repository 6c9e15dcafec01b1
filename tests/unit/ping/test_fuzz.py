"""Requests made from the OpenAPI document, good and bad: answered as it says.

schemathesis makes the requests; only the tokens are chosen here, because none that it
could make up is ours.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from heartbeats.edges.ping.operations import PLACES
from heartbeats.edges.ping.service import Options
from unit.ping.live import Live, live_service
from unit.ping.support import FOREIGN, TOKEN, UNKNOWN

load_all_checks()
AGREES = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
ACCEPTS = CHECKS.get_by_names(["positive_data_acceptance"])
BEARERS = [{}, *({"Authorization": f"Bearer {each}"} for each in (TOKEN, FOREIGN))]
UNAVAILABLE = 503
FEW = 300


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Run one that knows one monitor and can't say yet whether there is another."""
    with live_service(Options()) as service:
        service.directory.can_settle = False
        yield service


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def schema(live: Live) -> schemathesis.BaseSchema:
    with requests.get(f"{live.url}/openapi.json", timeout=5) as answer:
        return schemathesis.openapi.from_dict(with_tokens(answer.json()))


def with_tokens(value: Any) -> Any:
    """Put our tokens where any token may stand."""
    if isinstance(value, list):
        return [with_tokens(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value == PLACES["t"]:
        return {"type": "string", "enum": [TOKEN, UNKNOWN, FOREIGN]}
    return {name: with_tokens(each) for name, each in value.items()}


def cases(
    schema: schemathesis.BaseSchema, mode: GenerationMode
) -> st.SearchStrategy[Case]:
    """Make requests of any operation."""
    operations = [found.ok() for found in schema.get_all_operations()]
    return st.one_of([each.as_strategy(generation_mode=mode) for each in operations])


def play(
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    url: str,
    mode: GenerationMode,
    examples: int,
) -> set[int]:
    """Send so many requests and check every answer; returns the status codes."""
    # What is wrong need not be refused: unknown parameters are ignored.
    checks = [*AGREES, *(ACCEPTS if mode is GenerationMode.POSITIVE else [])]
    seen = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        # A run that must pass is always the same; the long one never is.
        derandomize=examples <= FEW,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(schema, mode), headers=st.sampled_from(BEARERS))
    def send(case: Case, headers: dict[str, str]) -> None:
        answer = case.call(base_url=url, session=session, headers=headers)
        seen.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == UNAVAILABLE
        case.validate_response(answer, checks=checks)

    send()
    return seen


def test_what_the_document_allows_is_answered_as_it_says(
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    live: Live,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = play(schema, session, live.url, GenerationMode.POSITIVE, FEW)
    assert seen >= {200, 401, 404, UNAVAILABLE}
    assert not caplog.records


def test_what_it_does_not_allow_is_answered_as_it_says_too(
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    live: Live,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = play(schema, session, live.url, GenerationMode.NEGATIVE, FEW)
    assert seen >= {200, 400, 404}
    assert not caplog.records


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_many_more_are_answered_as_it_says(
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    live: Live,
    mode: GenerationMode,
) -> None:
    assert 500 not in play(schema, session, live.url, mode, 10_000)
