"""A token names a monitor, and says by itself that we made it."""

from uuid import UUID

import pytest

from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, is_ours, mint

OLD = Key.of(b"the previous secret, long enough")
NEW = Key.of(b"the current secret, long enough!")
NIGHTLY = MonitorKey("production", "nightly")


def test_a_token_never_changes_for_the_same_monitor_key_and_version() -> None:
    # Written down: another layout would make every URL in use a 404.
    assert mint(OLD, NIGHTLY, 1) == "34f9c390-e6e2-80b8-bda3-480302be2fa5"


def test_a_token_is_a_lower_case_uuid_of_version_8() -> None:
    token = mint(OLD, NIGHTLY, 1)
    assert str(UUID(token)) == token
    assert UUID(token).version == 8


def test_tokens_of_current_and_previous_keys_are_ours() -> None:
    for key in (OLD, NEW):
        assert is_ours([NEW, OLD], mint(key, NIGHTLY, 1))
    assert not is_ours([NEW], mint(OLD, NIGHTLY, 1))
    assert not is_ours([], mint(OLD, NIGHTLY, 1))


def test_another_version_name_namespace_or_key_is_another_token() -> None:
    tokens = {
        mint(OLD, NIGHTLY, 1),
        mint(OLD, NIGHTLY, 2),
        mint(OLD, MonitorKey("production", "nightly2"), 1),
        mint(OLD, MonitorKey("production2", "nightly"), 1),
        mint(NEW, NIGHTLY, 1),
    }
    assert len(tokens) == 5


def test_names_that_only_join_to_the_same_text_have_different_tokens() -> None:
    apart = [
        (MonitorKey("ab", "c"), 1),
        (MonitorKey("a", "bc"), 1),
        (MonitorKey("abc", ""), 1),
        (MonitorKey("ab", "c1"), 1),
        (MonitorKey("ab", "c"), 11),
    ]
    assert len({mint(OLD, monitor, version) for monitor, version in apart}) == 5


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "nightly",
        "00000000-0000-8000-8000-000000000000",
        "3f2c6b1e-5d0a-4c1b-9a57-0a6a8f5d7e21",
        "\ud800",
        "٣" * 36,
        "\0",
        None,
        7,
        b"bytes",
    ],
)
def test_garbage_is_not_ours(garbage: str) -> None:
    assert is_ours([OLD, NEW], garbage) is False


@pytest.mark.parametrize("spelling", ["{%s}", "urn:uuid:%s", "%s ", " %s", "%s\n"])
def test_another_spelling_of_a_token_is_not_ours(spelling: str) -> None:
    assert not is_ours([OLD], spelling % mint(OLD, NIGHTLY, 1))


def test_upper_case_and_missing_hyphens_are_not_ours() -> None:
    token = mint(OLD, NIGHTLY, 1)
    assert not is_ours([OLD], token.upper())
    assert not is_ours([OLD], token.replace("-", ""))


def test_a_key_is_named_by_its_secret_and_never_shows_it() -> None:
    assert OLD.id != NEW.id
    assert Key.of(OLD.secret) == OLD
    assert "previous" not in repr(OLD)
    assert OLD.secret.hex() not in repr(OLD)


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="openssl rand 32"):
        Key.of(b"too short")
