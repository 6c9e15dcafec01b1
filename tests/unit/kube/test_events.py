"""One Event a flip, as the API takes it, told once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import Flip, Health, MonitorKey, Reason, Uid
from heartbeats.edges.kube.errors import Forbidden, Unreachable
from heartbeats.edges.kube.events import (
    NOTE_BYTES,
    EventPoster,
    event_of,
    is_worth_telling,
)
from heartbeats.edges.kube.resources import EVENTS
from support.builders import NOW, MemoryApi, flip

KEY = MonitorKey("shop", "backup")
UID = Uid("u-1")
DOWN = flip(Health.DOWN, Reason.RUN_MISSED, message="Due at noon, but nothing came.")
SUBDOMAIN = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
LABEL = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


def test_an_event_says_what_changed_and_why() -> None:
    event = event_of(KEY, UID, DOWN)
    assert event["apiVersion"] == "events.k8s.io/v1"
    assert event["metadata"] == {"name": "backup.f-1", "namespace": "shop"}
    assert (event["type"], event["reason"]) == ("Warning", "RunMissed")
    assert event["action"] == "Alert"
    assert event["note"] == "Up -> Down: Due at noon, but nothing came."
    assert event["regarding"] == {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "namespace": "shop",
        "name": "backup",
        "uid": "u-1",
    }
    assert event["reportingController"] == "heartbeats.dev/operator"
    assert 0 < len(event["reportingInstance"]) <= 128


@pytest.mark.parametrize(
    ("microsecond", "expected"),
    [(0, "2026-11-21T12:00:00.000000Z"), (5, "2026-11-21T12:00:00.000005Z")],
)
def test_the_time_is_a_micro_time(microsecond: int, expected: str) -> None:
    at = NOW.replace(microsecond=microsecond)
    told = event_of(KEY, UID, flip(Health.DOWN, Reason.RUN_MISSED, at=at))
    assert told["eventTime"] == expected


@pytest.mark.parametrize(
    ("after", "kind", "action"),
    [
        (Health.DOWN, "Warning", "Alert"),
        (Health.UNKNOWN, "Warning", "Judge"),
        (Health.UP, "Normal", "Clear"),
        (Health.PAUSED, "Normal", "Pause"),
        (Health.NEW, "Normal", "Judge"),
    ],
)
def test_trouble_is_a_warning_and_the_rest_is_normal(
    after: Health, kind: str, action: str
) -> None:
    event = event_of(KEY, UID, flip(after, Reason.ON_SCHEDULE))
    assert (event["type"], event["action"]) == (kind, action)


def test_a_long_message_is_cut_between_characters() -> None:
    note = event_of(KEY, UID, flip(Health.DOWN, Reason.RUN_FAILED, message="ü" * 2_000))
    assert NOTE_BYTES - 1 <= len(note["note"].encode()) <= NOTE_BYTES


@given(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join), st.text("0123456789abcdef")
)
def test_every_monitors_events_have_a_name_that_the_api_takes(
    name: str, id_: str
) -> None:
    told = flip(Health.DOWN, Reason.RUN_MISSED, id=f"a{id_}"[:20])
    made = event_of(MonitorKey("shop", name[:253].rstrip("-.")), UID, told)
    assert len(made["metadata"]["name"]) <= 253
    assert SUBDOMAIN.fullmatch(made["metadata"]["name"])


@pytest.mark.parametrize("sign", ["-", "."])
def test_a_long_name_is_cut_where_the_api_still_takes_it(sign: str) -> None:
    key = MonitorKey("shop", f"{'a' * 199}{sign}b")
    assert SUBDOMAIN.fullmatch(event_of(key, UID, DOWN)["metadata"]["name"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Health.NEW, Health.UP, False),
        (Health.NEW, Health.PAUSED, False),
        (Health.NEW, Health.DOWN, True),
        (Health.NEW, Health.UNKNOWN, True),
        (Health.UP, Health.DOWN, True),
        (Health.DOWN, Health.UP, True),
        (Health.UNKNOWN, Health.UP, True),
        (Health.UP, Health.PAUSED, True),
    ],
)
def test_a_monitors_first_words_are_no_news_unless_they_are_bad(
    before: Health, after: Health, expected: bool
) -> None:
    assert is_worth_telling(flip(after, Reason.ON_SCHEDULE, before=before)) is expected


async def test_telling_twice_is_telling_once() -> None:
    api = MemoryApi()
    for _ in range(2):
        await EventPoster(api).post(KEY, UID, DOWN)
    assert len(api.of("POST")) == 2
    assert api.held(EVENTS, "backup.f-1")["regarding"]["uid"] == "u-1"


async def test_an_event_lands_beside_its_monitor() -> None:
    api = MemoryApi()
    await EventPoster(api).post(KEY, UID, DOWN)
    [sent] = api.sent
    assert sent.path == "/apis/events.k8s.io/v1/namespaces/shop/events"


@pytest.mark.parametrize("error", [Forbidden("no"), Unreachable("gone")])
async def test_a_refusal_is_for_the_caller_to_judge(error: Exception) -> None:
    api = MemoryApi()
    api.refuse("POST", error)
    with pytest.raises(type(error)):
        await EventPoster(api).post(KEY, UID, DOWN)


def test_two_flips_have_two_names() -> None:
    other: Flip = flip(Health.UP, Reason.RECOVERED, id="f-2", before=Health.DOWN)
    names = {event_of(KEY, UID, each)["metadata"]["name"] for each in (DOWN, other)}
    assert len(names) == 2
