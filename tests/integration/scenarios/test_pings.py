"""Pings over days: what silence means, and what a late word takes back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from heartbeats.app.ping import PingRole
from heartbeats.journal import JournalUnavailable, SegmentStore
from support.resources import MONITORS
from support.scenario import (
    Scenario,
    assert_down,
    assert_told,
    assert_up,
    at,
    text,
    until,
)
from support.workloads import ping_monitor

pytestmark = pytest.mark.integration

NAME = "job"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
PAST = timedelta(seconds=2)
OK = 200


class Gate:
    """A journal's store that commits when a test lets it."""

    def __init__(self, role: PingRole) -> None:
        self._store: SegmentStore = role.journal._store
        role.journal._store = self
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self.waiting = 0
        """Commits that stand before the gate."""

    async def append(self, segment: str) -> int:
        """Wait for the gate; a broken store says so."""
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        if self.broken:
            raise JournalUnavailable("it is broken for the moment")
        return await self._store.append(segment)


async def listening(scenario: Scenario, **spec: Any) -> tuple[Gate, str]:
    """Start both roles with one monitor; returns the journal's gate and its URL."""
    scenario.clock.turn_to(START)
    await scenario.attend(START, START)
    service = await scenario.serve_pings()
    gate = Gate(service)
    await scenario.start()
    await until(lambda: service.problem() is None)
    await scenario.create(ping_monitor(scenario.namespace, NAME, **spec))
    url = await scenario.url(NAME)
    await scenario.settle()
    return gate, url


async def ping(scenario: Scenario, url: str) -> None:
    """Send a success; returns when it is in the status."""
    sent_at = scenario.clock.now()
    assert await scenario.ping(url) == OK
    await scenario.settle()
    status = await scenario.said(NAME, "Up")
    received_at = at(status["lastCheckIn"]["time"][:19])
    assert sent_at - SECOND <= received_at <= scenario.clock.now()
    assert_up(scenario, NAME, status, received_at)


async def test_a_monitor_that_nobody_ever_pings_is_down_if_it_was_asked_to(
    scenario: Scenario,
) -> None:
    """firstCheckInWithin; and the first ping after it recovers."""
    _, url = await listening(scenario, interval="1h", firstCheckInWithin="24h")
    status = await scenario.status(NAME)
    armed_at = at(status["source"]["armedSince"][:19])
    await scenario.turn_to(START + DAY - MINUTE)
    status = await scenario.status(NAME)
    assert status["state"] == "New"
    assert "awaited within 24h" in status["conditions"][0]["message"]
    deadline = armed_at + DAY
    await scenario.turn_to(deadline + 3 * SECOND)
    status = await assert_down(
        scenario, NAME, "RunMissed", deadline, "Nothing has reported by"
    )
    assert "lastCheckIn" not in status
    await ping(scenario, url)
    assert (await scenario.events(NAME))[-1]["reason"] == "Recovered"


async def test_a_monitor_that_nobody_ever_pings_is_new_for_ever_otherwise(
    scenario: Scenario,
) -> None:
    """A URL that was not handed out yet alarms nobody."""
    await listening(scenario, interval="1h")
    await scenario.turn_to(START + 30 * DAY)
    status = await scenario.status(NAME)
    assert status["state"] == "New"
    assert "deadline" not in status
    assert await scenario.events(NAME) == []


async def test_minutely_pings_with_five_minutes_of_grace(scenario: Scenario) -> None:
    """Each ping moves the deadline; the sixth silent minute is Down."""
    _, url = await listening(
        scenario, schedule="* * * * *", timeZone="UTC", gracePeriod="5m"
    )
    for minutes in (0, 1, 2):
        await scenario.turn_to(TEN + minutes * MINUTE + PAST)
        await ping(scenario, url)
        status = await scenario.status(NAME)
        assert status["nextExpectedTime"] == text(TEN + (minutes + 1) * MINUTE)
    due = TEN + 3 * MINUTE
    for silent in (0, 2, 4):
        await scenario.turn_to(due + silent * MINUTE + PAST)
        assert (await scenario.status(NAME))["state"] == "Late"
    assert await scenario.events(NAME) == []
    await scenario.turn_to(due + 5 * MINUTE + PAST)
    status = await assert_down(scenario, NAME, "RunMissed", due + 5 * MINUTE)
    assert status["incident"]["slotTime"] == text(due)
    assert [each["outcome"] for each in status["history"]].count("missed") == 1
    await scenario.turn_to(due + 60 * MINUTE)
    assert len(await scenario.events(NAME)) == 1
    await ping(scenario, url)
    status = await scenario.status(NAME)
    assert status["nextExpectedTime"] == text(due + 61 * MINUTE)


async def test_three_days_of_suspension_are_no_silence(scenario: Scenario) -> None:
    """Pings are recorded meanwhile; then the interval begins anew."""
    _, url = await listening(scenario, interval="1h", gracePeriod="10m")
    await ping(scenario, url)
    await scenario.edit(MONITORS, NAME, suspend=True)
    for days in (1, 2):
        await scenario.turn_to(START + days * DAY)
        assert (await scenario.status(NAME))["state"] == "Paused"
    assert await scenario.ping(url) == OK
    await scenario.settle()
    status = await scenario.status(NAME)
    assert status["lastCheckIn"]["time"][:16] == text(START + 2 * DAY)[:16]
    await scenario.turn_to(START + 3 * DAY)
    events = await scenario.events(NAME)
    assert [each["reason"] for each in events] == ["Paused"]
    await scenario.edit(MONITORS, NAME, suspend=False)
    status = await scenario.said(NAME, "Up")
    armed_at = at(status["source"]["armedSince"][:19])
    deadline = armed_at + timedelta(minutes=70)
    assert status["deadline"][:16] == text(deadline)[:16]
    await scenario.turn_to(deadline - PAST)
    assert (await scenario.status(NAME))["state"] == "Late"
    await scenario.turn_to(deadline + 4 * SECOND)
    status = await scenario.said(NAME, "Down")
    when = at(status["incident"]["openedTime"][:19])
    assert abs(when - deadline) <= SECOND
    await assert_down(scenario, NAME, "RunMissed", when)


async def test_a_ping_in_time_that_is_stored_too_late_takes_the_alarm_back(
    scenario: Scenario,
) -> None:
    """Received before the deadline, committed after it was judged: Retracted."""
    gate, url = await listening(scenario, schedule="0 * * * *", gracePeriod="10m")
    await scenario.turn_to(TEN)
    await ping(scenario, url)
    due = TEN + 60 * MINUTE
    received_at = due + 9 * MINUTE
    await scenario.turn_to(received_at)
    gate.open.clear()
    sent = asyncio.create_task(scenario.ping(url))
    await until(lambda: gate.waiting)
    await scenario.turn_to(due + 10 * MINUTE + PAST)
    await assert_down(scenario, NAME, "RunMissed", due + 10 * MINUTE)
    gate.open.set()
    assert await sent == OK
    await scenario.settle()
    status = await scenario.said(NAME, "Up")
    heard_at = at(status["lastCheckIn"]["time"][:19])
    assert received_at <= heard_at < received_at + 5 * SECOND
    assert_up(scenario, NAME, status, heard_at)
    events = {each["reason"]: each for each in await scenario.events(NAME)}
    assert events.keys() == {"RunMissed", "Retracted"}
    assert events["Retracted"]["type"] == "Normal"
    outcomes = [each["outcome"] for each in status["history"]]
    assert outcomes == ["success", "success"]
    assert status["consecutiveFailures"] == 0


async def test_a_failure_right_after_a_refused_success_is_ambiguous(
    scenario: Scenario,
) -> None:
    """`job && ping || ping fail` says so when only we failed: Unknown, not Down."""
    gate, url = await listening(scenario, schedule="0 * * * *", gracePeriod="10m")
    await scenario.turn_to(TEN)
    await ping(scenario, url)
    hour = TEN + 60 * MINUTE
    await scenario.turn_to(hour)
    gate.broken = True
    assert await scenario.ping(url) == 503
    gate.broken = False
    assert await scenario.ping(url, state="fail") == OK
    await scenario.settle()
    status = await scenario.said(NAME, "Unknown")
    status = await assert_told(
        scenario,
        NAME,
        ("Unknown", "Unknown", "Ambiguous"),
        at(status["lastCheckIn"]["time"][:19]),
        "could not be stored",
    )
    assert "incident" not in status
    assert status["lastCheckIn"]["ambiguous"] is True
    assert scenario.lines(NAME)[-1]["payload"]["status"] == "failure"
    await scenario.turn_to(hour + 60 * MINUTE)
    await ping(scenario, url)


async def test_an_hour_without_a_ping_replica_is_blindness_not_silence(
    scenario: Scenario,
) -> None:
    """Nobody could be heard: Unknown until the next slot, and then judged again."""
    _, url = await listening(scenario, schedule="0 * * * *", gracePeriod="10m")
    await scenario.turn_to(TEN)
    await ping(scenario, url)
    due = TEN + 60 * MINUTE
    await scenario.turn_to(due - 20 * MINUTE)
    scenario.heard = False
    deadline = due + 10 * MINUTE
    await scenario.turn_to(deadline + PAST)
    status = await assert_told(
        scenario, NAME, ("Unknown", "Unknown", "BlindWindow"), deadline
    )
    assert "incident" not in status
    await scenario.turn_to(due + 40 * MINUTE)
    await scenario.attend(
        due + 40 * MINUTE, due + 40 * MINUTE, name="heartbeats-ping-returned"
    )
    await scenario.settle()
    scenario.heard = True
    following = due + 60 * MINUTE
    status = await scenario.status(NAME)
    assert (status["state"], status["nextExpectedTime"]) == (
        "Unknown",
        text(following),
    )
    await scenario.turn_to(following + 10 * MINUTE + PAST)
    await assert_down(scenario, NAME, "RunMissed", following + 10 * MINUTE)
    reasons = [each["reason"] for each in await scenario.events(NAME)]
    assert reasons == ["BlindWindow", "RunMissed"]
