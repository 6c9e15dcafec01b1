"""Properties of tokens, for any names, keys and forgeries."""

from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import MIN_SECRET_BYTES, Key, is_ours, mint

keys = st.binary(min_size=MIN_SECRET_BYTES, max_size=64).map(Key.of)
names = st.text("abc-.0", max_size=6)
monitors = st.builds(MonitorKey, names, names)
versions = st.integers(min_value=0, max_value=2**31)


@given(keys, monitors, versions)
def test_what_is_minted_is_a_uuid_of_version_8_and_ours(
    key: Key, monitor: MonitorKey, version: int
) -> None:
    token = mint(key, monitor, version)
    assert UUID(token).version == 8
    assert str(UUID(token)) == token
    assert is_ours([key], token)


@given(keys, monitors, versions, monitors, versions)
def test_two_monitors_never_share_a_token(
    key: Key, one: MonitorKey, first: int, other: MonitorKey, second: int
) -> None:
    assume((one, first) != (other, second))
    assert mint(key, one, first) != mint(key, other, second)


@given(keys, keys, monitors, versions)
def test_a_key_does_not_know_the_tokens_of_another(
    key: Key, stranger: Key, monitor: MonitorKey, version: int
) -> None:
    assume(key != stranger)
    assert not is_ours([stranger], mint(key, monitor, version))


@given(keys, monitors, st.integers(min_value=0, max_value=127))
def test_a_token_with_any_bit_changed_is_not_ours(
    key: Key, monitor: MonitorKey, bit: int
) -> None:
    forged = UUID(int=UUID(mint(key, monitor, 1)).int ^ (1 << bit))
    assert not is_ours([key], str(forged))


@given(keys, st.text() | st.uuids().map(str))
def test_whatever_is_not_minted_is_not_ours(key: Key, text: str) -> None:
    assert is_ours([key], text) is False
