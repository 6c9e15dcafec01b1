"""Which monitor a token names: from memory, and from a list newer than the question."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from heartbeats.core.claims import hash_of
from heartbeats.core.model import Health, MonitorKey, Reason
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube import errors, keyring
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.directory import (
    NotCurrentError,
    TokenDirectory,
    health_of,
    incident_reason_of,
    interval_of,
)
from heartbeats.edges.kube.objects import Monitor
from heartbeats.edges.kube.resources import MONITORS, SECRETS
from heartbeats.edges.kube.signing import KEY_SECRET
from support.builders import MemoryApi, metadata
from support.fakeapi import FakeApi, Fault

SYSTEM = "heartbeats-system"
FIRST, SECOND = Key.of(b"first " * 6), Key.of(b"second" * 6)
SOON = timedelta(seconds=10)


class Both(Client):
    """A client of the fake API, whose key Secret is in memory."""

    def __init__(self, client: Client) -> None:
        super().__init__(client._session, clock=client.clock)
        self.memory = MemoryApi()

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        if path.endswith(KEY_SECRET):
            return await self.memory.request(method, path, **options)
        return await super().request(method, path, **options)

    def supply(self, *keys: Key) -> None:
        """Put the key Secret there: the first signs, the second verifies."""
        texts = [base64.b64encode(key.secret).decode() for key in keys]
        data = dict(zip(("current", "previous"), texts, strict=False))
        meta = {"name": KEY_SECRET, "namespace": SYSTEM}
        self.memory.put(SECRETS, {"metadata": meta, "data": data})


@pytest.fixture
async def both(client: Client) -> Both:
    both = Both(client)
    both.supply(FIRST)
    return both


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "KEY_SECONDS", 0.001)
    monkeypatch.setattr(keyring, "NO_KEY_SECONDS", 0.001)


def put(api: FakeApi, name: str = "backup", **ping: Any) -> None:
    """Put a ping monitor into the API."""
    api.put(MONITORS, name, namespace="shop", spec={"ping": ping, "interval": "1h"})


def put_importing(api: FakeApi, name: str, *tokens: str, age: int = 0) -> None:
    """Put a monitor that claims tokens from elsewhere, so many hours old."""
    hashes = [hash_of(each) for each in tokens]
    spec = {"ping": {"tokenHashes": hashes}, "interval": "1h"}
    created = (datetime(2026, 3, 1, 12, tzinfo=UTC) - timedelta(hours=age)).isoformat()
    meta = {"creationTimestamp": created}
    api.put(MONITORS, name, namespace="shop", spec=spec, metadata=meta)


def token(key: Key = FIRST, version: int = 1, name: str = "backup") -> str:
    return mint(key, MonitorKey("shop", name), version)


@asynccontextmanager
async def running(both: Both) -> AsyncIterator[TokenDirectory]:
    found = TokenDirectory(both, SYSTEM)
    task = asyncio.create_task(found.run())
    try:
        await until(lambda: found.synced)
        yield found
        assert not task.done(), "the directory ended"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0)


def uid_of(found: Monitor | None) -> str:
    return "" if found is None else found.metadata.uid


async def found_by(known: TokenDirectory, *tokens: str) -> list[bool]:
    """Tell which tokens name a monitor in a list newer than now."""
    return [await known.find_newest(each, SOON) is not None for each in tokens]


async def test_a_token_names_its_monitor(api: FakeApi, both: Both) -> None:
    put(api)
    put(api, "other")
    async with running(both) as known:
        found = known.find(token())
        assert found is not None
        assert found.metadata.name == "backup"
        assert known.find(token(name="unknown")) is None
        assert known.find("") is None


async def test_it_is_synced_with_monitors_and_keys_only(
    api: FakeApi, both: Both
) -> None:
    both.memory.objects.clear()
    known = TokenDirectory(both, SYSTEM)
    assert not known.synced
    task = asyncio.create_task(known.run())
    await known.monitors.synced.wait()
    assert not known.synced
    both.supply(FIRST)
    await until(lambda: known.synced)
    task.cancel()
    await asyncio.wait([task])


async def test_monitors_read_before_the_keys_are_found_too(
    api: FakeApi, both: Both
) -> None:
    put(api)
    both.memory.objects.clear()
    known = TokenDirectory(both, SYSTEM)
    task = asyncio.create_task(known.run())
    await known.monitors.synced.wait()
    both.supply(FIRST)
    await until(lambda: known.synced)
    assert known.find(token()) is not None
    task.cancel()
    await asyncio.wait([task])


async def test_a_cronjobs_monitor_has_no_token(api: FakeApi, both: Both) -> None:
    spec = {"cronJob": {"name": "nightly"}}
    api.put(MONITORS, "backup", namespace="shop", spec=spec)
    async with running(both) as known:
        assert known.find(token()) is None
        assert known._uids == {}


async def test_versions_between_are_accepted(api: FakeApi, both: Both) -> None:
    put(api, tokenVersion=4, minTokenVersion=2)
    async with running(both) as known:
        found = [known.find(token(version=version)) for version in range(1, 6)]
    assert [bool(each) for each in found] == [False, True, True, True, False]


async def test_without_a_minimum_only_the_newest_version_is_accepted(
    api: FakeApi, both: Both
) -> None:
    """Whoever raises tokenVersion alone wants the URL that leaked to be dead."""
    put(api, tokenVersion=2)
    async with running(both) as known:
        assert known.find(token(version=2)) is not None
        assert known.find(token(version=1)) is None


async def test_as_many_versions_as_the_schema_allows_are_accepted(
    api: FakeApi, both: Both
) -> None:
    put(api, tokenVersion=20, minTokenVersion=5)
    async with running(both) as known:
        found = [v for v in range(30) if known.find(token(version=v))]
    assert found == list(range(5, 21))


async def test_a_spec_of_a_million_versions_costs_no_memory(
    api: FakeApi, both: Both
) -> None:
    put(api, tokenVersion=1_000_000, minTokenVersion=1)
    async with running(both) as known:
        assert known.find(token(version=1_000_000)) is not None
        assert len(known._uids) <= 16


async def test_a_minimum_above_the_version_still_accepts_the_current_url(
    api: FakeApi, both: Both
) -> None:
    put(api, tokenVersion=2, minTokenVersion=9)
    async with running(both) as known:
        assert known.find(token(version=2)) is not None


async def test_raising_the_minimum_ends_the_older_tokens(
    api: FakeApi, both: Both
) -> None:
    put(api, tokenVersion=2, minTokenVersion=1)
    async with running(both) as known:
        assert known.find(token(version=1)) is not None
        put(api, tokenVersion=2, minTokenVersion=2)
        await until(lambda: known.find(token(version=1)) is None)
        assert known.find(token(version=2)) is not None


async def test_while_keys_are_rotated_both_verify(api: FakeApi, both: Both) -> None:
    put(api)
    async with running(both) as known:
        both.supply(SECOND, FIRST)
        await until(lambda: known.find(token(SECOND)))
        assert known.find(token(FIRST)) is not None
        assert known.is_ours(token(FIRST))
        assert known.is_ours(token(SECOND))
        put(api, "late")
        await until(lambda: known.find(token(SECOND, name="late")))
        assert known.find(token(FIRST, name="late")) is not None


async def test_a_key_that_is_rotated_out_verifies_no_longer(
    api: FakeApi, both: Both
) -> None:
    put(api)
    both.supply(SECOND, FIRST)
    async with running(both) as known:
        both.supply(SECOND)
        await until(lambda: known.find(token(FIRST)) is None)
        assert known.find(token(SECOND)) is not None
        assert not known.is_ours(token(FIRST))


async def test_a_secret_that_is_gone_kills_no_url(
    api: FakeApi, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    put(api)
    async with running(both) as known:
        both.memory.objects.clear()
        seen = len(both.memory.sent)
        await until(lambda: len(both.memory.sent) > seen + 2)
        assert known.synced
        assert known.find(token()) is not None
        assert "those in memory are used on" in caplog.text
        assert caplog.text.count("Ping URLs are in danger") == 1


async def test_keys_that_cannot_be_read_are_those_of_before(
    api: FakeApi, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    put(api)
    async with running(both) as known:
        caplog.set_level(logging.INFO)
        both.memory.refuse("GET", errors.Forbidden("no right"), times=2)
        await until(lambda: "the ping keys cannot be read: no right" in caplog.text)
        assert known.find(token()) is not None
        await until(lambda: "The ping keys are read again" in caplog.text)


async def test_a_deleted_monitors_token_is_unknown(api: FakeApi, both: Both) -> None:
    put(api)
    async with running(both) as known:
        api.delete(MONITORS, "backup", namespace="shop")
        await until(lambda: known.find(token()) is None)
        assert known._uids == {}
        assert known._tokens == {}


async def test_a_recreated_monitor_keeps_its_url(api: FakeApi, both: Both) -> None:
    put(api)
    async with running(both) as known:
        before = uid_of(known.find(token()))
        api.delete(MONITORS, "backup", namespace="shop")
        put(api)
        await until(lambda: uid_of(known.find(token())) not in {"", before})
    assert before


async def test_a_monitor_newer_than_memory_is_found(api: FakeApi, both: Both) -> None:
    async with running(both) as known:
        await api.until(lambda: api.count("watch") == 1)
        api.freeze()
        put(api)
        assert known.find(token()) is None
        assert await found_by(known, token(), token(name="no")) == [True, False]


async def test_whether_a_token_is_unknown_needs_an_answer_of_the_api_server(
    api: FakeApi, both: Both
) -> None:
    async with running(both) as known:
        api.fail(Fault("list", status=500, times=100))
        with pytest.raises(NotCurrentError):
            await known.find_newest(token(), SOON)


# Tokens from elsewhere

FOREIGN = "3f2c6b1e-5d0a-4c1b-9a57-0a6a8f5d7e21"


def name_of(found: Monitor | None) -> str:
    return "" if found is None else found.metadata.name


async def test_an_imported_token_names_its_monitor_beside_the_minted_one(
    api: FakeApi, both: Both
) -> None:
    put_importing(api, "backup", FOREIGN, "project/nightly-db")
    async with running(both) as known:
        assert name_of(known.find(FOREIGN)) == "backup"
        assert name_of(known.find("project/nightly-db")) == "backup"
        assert name_of(known.find(token())) == "backup"
        assert known.find(FOREIGN.upper()) is None
        assert known.find("nightly-db") is None
        assert known.find("ü\udcff") is None
        assert not known.is_ours(FOREIGN)


async def test_an_imported_token_follows_every_change(api: FakeApi, both: Both) -> None:
    put(api)
    async with running(both) as known:
        assert known.find(FOREIGN) is None
        put_importing(api, "backup", FOREIGN)
        await until(lambda: known.find(FOREIGN))
        put_importing(api, "backup", "other")
        await until(lambda: known.find(FOREIGN) is None)
        assert name_of(known.find("other")) == "backup"
        api.delete(MONITORS, "backup", namespace="shop")
        await until(lambda: known.find("other") is None)
        assert len(known._claims) == 0


async def test_a_token_that_two_monitors_claim_is_the_older_ones(
    api: FakeApi, both: Both
) -> None:
    put_importing(api, "young", FOREIGN, age=1)
    put_importing(api, "old", FOREIGN, age=2)
    async with running(both) as known:
        assert name_of(known.find(FOREIGN)) == "old"
        put_importing(api, "eldest", FOREIGN, age=3)
        await until(lambda: name_of(known.find(FOREIGN)) == "eldest")
        api.delete(MONITORS, "eldest", namespace="shop")
        await until(lambda: name_of(known.find(FOREIGN)) == "old")


async def test_nobody_takes_a_token_of_ours_by_importing_its_hash(
    api: FakeApi, both: Both
) -> None:
    put_importing(api, "thief", token(), age=99)
    put(api)
    async with running(both) as known:
        assert name_of(known.find(token())) == "backup"


async def test_a_token_of_ours_that_names_nobody_can_be_imported(
    api: FakeApi, both: Both
) -> None:
    """A monitor that is renamed keeps the URL that its jobs have."""
    put_importing(api, "renamed", token(name="backup"))
    async with running(both) as known:
        assert name_of(known.find(token(name="backup"))) == "renamed"


async def test_an_imported_token_needs_no_key_of_ours(api: FakeApi, both: Both) -> None:
    put_importing(api, "backup", FOREIGN)
    both.memory.objects.clear()
    known = TokenDirectory(both, SYSTEM)
    task = asyncio.create_task(known.run())
    await known.monitors.synced.wait()
    assert not known.synced
    assert name_of(known.find(FOREIGN)) == "backup"
    task.cancel()
    await asyncio.wait([task])


async def test_a_key_never_reaches_a_log(
    api: FakeApi, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put(api)
    async with running(both) as known:
        both.supply(SECOND, FIRST)
        await until(lambda: known.find(token(SECOND)))
    said = "\n".join(str(vars(record)) for record in caplog.records)
    for secret in (token(FIRST), token(SECOND), "first first", "secondsecond"):
        assert secret not in said


def monitor(spec: dict[str, Any], **status: Any) -> Monitor:
    body = {"metadata": metadata("backup"), "spec": spec, "status": status}
    return msgspec.convert(body, Monitor)


@pytest.mark.parametrize("word", [*Health, "", "Sideways"])
def test_a_monitor_says_its_word_or_is_new(word: str) -> None:
    expected = Health(word) if word in set(Health) else Health.NEW
    assert health_of(monitor({}, state=word)) is expected
    assert health_of(monitor({})) is Health.NEW


@pytest.mark.parametrize(
    ("incident", "expected"),
    [
        (None, None),
        ({"reason": "RunMissed"}, Reason.RUN_MISSED),
        ({"reason": "Whim"}, None),
        ({}, None),
    ],
)
def test_an_incident_has_a_known_reason_or_none(
    incident: dict[str, str] | None, expected: Reason | None
) -> None:
    assert incident_reason_of(monitor({}, incident=incident)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("90m", timedelta(minutes=90)), ("1d", None), ("", None)],
)
def test_an_odd_interval_is_none(text: str | None, expected: timedelta | None) -> None:
    assert interval_of(monitor({"interval": text})) == expected


def test_the_next_run_is_read_for_two_dialects() -> None:
    found = monitor({}, nextExpectedTime="2026-11-21T13:00:00Z")
    expected = datetime(2026, 11, 21, 13, tzinfo=UTC)
    assert found.status.next_expected_time == expected
