"""The signing keys: made once, never in place of one that is in use."""

import asyncio
import base64
from itertools import count

import pytest

from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.resources import SECRETS
from heartbeats.edges.kube.signing import (
    KEY_BYTES,
    KEY_SECRET,
    KeyLostError,
    KeySecret,
)
from support.builders import MemoryApi

SYSTEM = "heartbeats-system"
FIRST, SECOND = b"first " * 6, b"second" * 6


def encoded(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def supply(api: MemoryApi, **data: str) -> None:
    """Put the key Secret there as its owner does."""
    meta = {"name": KEY_SECRET, "namespace": SYSTEM}
    api.put(SECRETS, {"metadata": meta, "type": "Opaque", "data": data})


class Dice:
    """Random bytes that are not, each time others."""

    def __init__(self) -> None:
        self._throws = count(1)
        self.asked: list[int] = []

    def __call__(self, size: int) -> bytes:
        self.asked.append(size)
        return bytes([next(self._throws)]) * size


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def secret(api: MemoryApi) -> KeySecret:
    return KeySecret(api, SYSTEM)


async def test_without_a_secret_there_are_no_keys(secret: KeySecret) -> None:
    assert await secret.read() == ()


async def test_the_current_key_comes_first(api: MemoryApi, secret: KeySecret) -> None:
    supply(api, previous=encoded(FIRST), other=encoded(b"x"), current=encoded(SECOND))
    assert await secret.read() == (Key.of(SECOND), Key.of(FIRST))
    [sent] = api.sent
    assert sent.path == f"/api/v1/namespaces/{SYSTEM}/secrets/{KEY_SECRET}"


async def test_a_first_key_is_made_and_stored(
    api: MemoryApi, secret: KeySecret
) -> None:
    dice = Dice()
    keys = await secret.read_or_create(in_use=False, random_bytes=dice)
    assert keys == (Key.of(b"\1" * KEY_BYTES),)
    held = api.held(SECRETS, KEY_SECRET, SYSTEM)
    assert (held["type"], held["data"]) == (
        *("Opaque", {"current": encoded(b"\1" * KEY_BYTES)}),
    )
    assert dice.asked == [KEY_BYTES]


async def test_a_key_is_made_once(api: MemoryApi, secret: KeySecret) -> None:
    dice = Dice()
    first = await secret.read_or_create(in_use=False, random_bytes=dice)
    again = await secret.read_or_create(in_use=True, random_bytes=dice)
    assert first == again
    assert len(api.of("POST")) == len(dice.asked) == 1


async def test_a_supplied_key_is_taken(api: MemoryApi, secret: KeySecret) -> None:
    supply(api, current=encoded(FIRST))
    dice = Dice()
    assert await secret.read_or_create(in_use=False, random_bytes=dice) == (
        Key.of(FIRST),
    )
    assert (dice.asked, api.of("POST")) == ([], [])


async def test_a_lost_key_is_never_replaced_while_urls_are_in_use(
    api: MemoryApi, secret: KeySecret
) -> None:
    with pytest.raises(KeyLostError, match="restore it from a backup"):
        await secret.read_or_create(in_use=True, random_bytes=Dice())
    assert api.of("POST") == []


async def test_two_replicas_that_start_at_once_use_one_key(api: MemoryApi) -> None:
    dice = Dice()
    first, second = await asyncio.gather(
        *(
            KeySecret(api, SYSTEM).read_or_create(in_use=False, random_bytes=dice)
            for _ in range(2)
        )
    )
    assert first == second
    assert len(dice.asked) == 2, "both wanted to make one"
    assert len(api.objects) == 1


@pytest.mark.parametrize(
    "garbage", ["", "not base64!", encoded(b"short"), "ü", "YWJj=ZGVm"]
)
async def test_a_key_that_cannot_be_used_is_told_and_left_alone(
    api: MemoryApi,
    secret: KeySecret,
    caplog: pytest.LogCaptureFixture,
    garbage: str,
) -> None:
    supply(api, current=garbage)
    assert await secret.read() == ()
    assert "The key current in Secret" in caplog.text
    with pytest.raises(KeyLostError):
        await secret.read_or_create(in_use=True, random_bytes=Dice())
    with pytest.raises(KeyLostError, match="put one there"):
        await secret.read_or_create(in_use=False, random_bytes=Dice())
    assert caplog.text.count("The key current in Secret") == 1
    assert api.held(SECRETS, KEY_SECRET, SYSTEM)["data"] == {"current": garbage}


async def test_one_broken_key_leaves_the_other_its_urls(
    api: MemoryApi, secret: KeySecret
) -> None:
    supply(api, current=encoded(FIRST), previous="broken")
    assert await secret.read() == (Key.of(FIRST),)


async def test_without_the_current_key_the_previous_one_does_not_sign(
    api: MemoryApi, secret: KeySecret
) -> None:
    """Every URL would go back to a key that is on its way out, and then die."""
    supply(api, current="broken", previous=encoded(FIRST))
    with pytest.raises(KeyLostError):
        await secret.read_or_create(in_use=True, random_bytes=Dice())


@pytest.mark.parametrize("garbage", ["!" + encoded(FIRST), encoded(b"tiny")])
async def test_no_part_of_a_key_is_ever_logged(
    api: MemoryApi,
    secret: KeySecret,
    caplog: pytest.LogCaptureFixture,
    garbage: str,
) -> None:
    supply(api, current=encoded(SECOND), previous=garbage)
    keys = await secret.read()
    assert garbage not in caplog.text
    assert "second" not in repr(keys)


async def test_an_error_is_not_taken_for_a_missing_key(
    api: MemoryApi, secret: KeySecret
) -> None:
    api.refuse("GET", errors.Forbidden("no right"))
    with pytest.raises(errors.Forbidden):
        await secret.read_or_create(in_use=False, random_bytes=Dice())
    assert api.of("POST") == []


async def test_a_secret_without_data_has_no_keys(
    api: MemoryApi, secret: KeySecret
) -> None:
    supply(api)
    assert await secret.read() == ()
