"""Entries are read as they were written, also by another release."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import CheckIn, Kind, MonitorKey, Uid
from heartbeats.journal import (
    Entry,
    UnreadableSegmentError,
    decode,
    decode_piece,
    encode,
    pieces,
    place,
    segment,
    with_place,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
PLAIN = Entry(
    MonitorKey("production", "nightly"),
    Uid("uid-1"),
    CheckIn(id="id-1", kind=Kind.SUCCESS, at=NOON),
)
FULL = Entry(
    MonitorKey("production", "weekly"),
    Uid("uid-2"),
    CheckIn(
        id="id-2",
        kind=Kind.FAILURE,
        at=NOON,
        run_id="run",
        slot_at=NOON - timedelta(minutes=1),
        started_at=NOON - timedelta(seconds=1),
        duration=timedelta(days=2, microseconds=1_500_001),
        exit_code=3,
        source="backup-server",
        message='größer\n"quoted" \N{REPLACEMENT CHARACTER}',
        scheduled=False,
        detail=(("stdout", "a"), ("rows", {"read": [1, 2.5, None, True]})),
    ),
)


@pytest.mark.parametrize("entries", [(), (PLAIN,), (FULL,), (PLAIN, FULL)])
def test_what_is_written_is_read_again(entries: tuple[Entry, ...]) -> None:
    assert decode(encode(entries)) == entries


def test_a_plain_ping_takes_little_room() -> None:
    assert len(encode((PLAIN,))) < 200


def test_check_ins_have_places_in_the_order_of_their_segments() -> None:
    first, second = decode(encode((PLAIN, FULL)), revision=42)
    assert first.check_in.revision == place(42, 0)
    assert second.check_in.revision == place(42, 1)
    assert place(42, 1) < place(43, 0)


def test_keys_of_a_later_release_are_ignored() -> None:
    said = json.loads(encode((PLAIN,)))
    said["later"] = said["entries"][0]["later"] = {"a": 1}
    said["entries"][0]["checkIn"]["later"] = [1]
    assert decode(json.dumps(said)) == (PLAIN,)


def test_a_newer_format_says_which_release_to_take() -> None:
    with pytest.raises(UnreadableSegmentError, match=r"formatVersion 2.*update"):
        decode('{"formatVersion": 2, "entries": {"in": "another shape"}}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"formatVersion": 1}',
        '{"formatVersion": "1", "entries": []}',
        '{"formatVersion": 1, "entries": [1]}',
        encode((PLAIN,)).replace('"success"', '"sucess"'),
        encode((PLAIN,)).replace("12:00:00.000005Z", "12:00:00"),
        encode((PLAIN,)).replace('"uid"', '"place":-1,"uid"'),
        encode((PLAIN,)).replace('"uid"', '"place":null,"uid"'),
        encode((PLAIN,)).replace('"uid"', f'"place":{2**63},"uid"'),
        encode((PLAIN,))[:-1],
        "\ud800",
        '{"formatVersion": 1, "entries": [{"checkIn": ' + "[" * 50_000,
    ],
)
def test_what_is_no_segment_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(UnreadableSegmentError):
        decode(text)


def test_an_entry_of_a_checkpoint_keeps_the_place_it_carries() -> None:
    first, second = pieces(encode((PLAIN, FULL)))
    text = segment([with_place(second, place(3, 1)), with_place(first, place(9, 0))])
    found = decode(text, revision=42)
    assert [each.check_in.revision for each in found] == [place(3, 1), place(9, 0)]
    assert [each.monitor for each in found] == [FULL.monitor, PLAIN.monitor]
    assert text.startswith('{"formatVersion":1,')


def test_a_place_is_written_once_and_never_changed() -> None:
    [piece] = pieces(encode((FULL,)))
    written = with_place(piece, 7)
    [again] = pieces(segment([written]))
    assert with_place(again, 8) == written
    assert decode_piece(again, 7) == decode(segment([written]))[0]


def test_what_a_ping_service_writes_carries_no_place() -> None:
    assert "place" not in encode((PLAIN, FULL))
