"""Durations: what is read, what is written, and what a person is told."""

from datetime import timedelta

import pytest

from heartbeats.core import durations
from heartbeats.core.durations import DurationError

HOUR = 3_600_000_000_000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1m0.5s", timedelta(minutes=1, milliseconds=500)),
        (".5h", timedelta(minutes=30)),
        ("0", timedelta()),
        ("0s", timedelta()),
        ("0.0000015s", timedelta(microseconds=2)),
    ],
)
def test_a_duration_is_read(text: str, span: timedelta) -> None:
    assert durations.parse(text) == span


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1d", "write 24h, not 1d"),
        ("2w", "write 336h, not 2w"),
        ("1d12h", "write 24h, not 1d"),
        ("90", "lacks a unit"),
        ("", "is empty"),
        ("-5m", "has a sign"),
        ("+5m", "has a sign"),
        ("1h 30m", "without spaces"),
        ("5m ", "without spaces"),
        (" 5m", "write numbers with the units h, m, s, ms"),
        ("1H", "write the unit small"),
        ("5min", "unknown unit 'min'"),
        ("5us", "use h, m, s, ms"),
        ("٣s", "write numbers"),
        ("..s", "write numbers"),
        ("h", "write numbers"),
        ("9999999999h", "292 years"),
        ("9" * 5000 + "h", "292 years"),
        ("9223372036854775.808s", "292 years"),
    ],
)
def test_what_is_no_duration_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(DurationError) as refusal:
        durations.parse(text)
    assert advice in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=1), "24h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(), "0s"),
        (timedelta(seconds=1, milliseconds=500), "1s500ms"),
        (timedelta(microseconds=1250), "1.25ms"),
        (timedelta(microseconds=7), "0.007ms"),
        (timedelta(days=366), "8784h"),
    ],
)
def test_a_span_is_written_in_the_shortest_canonical_way(
    span: timedelta, text: str
) -> None:
    assert durations.format(span) == text


def test_a_negative_span_is_not_written_as_a_duration() -> None:
    with pytest.raises(ValueError, match="never negative"):
        durations.format(timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(hours=4, minutes=51, seconds=7), "4h 51m"),
        (timedelta(days=2, hours=3, minutes=59), "2d 3h"),
        (timedelta(seconds=12, milliseconds=900), "12s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(days=2, minutes=5), "2d"),
        (timedelta(days=400), "400d"),
        (timedelta(milliseconds=350), "350ms"),
        (timedelta(), "0s"),
        (timedelta(minutes=-90), "-1h 30m"),
    ],
)
def test_a_person_is_told_the_two_largest_units(span: timedelta, words: str) -> None:
    assert durations.humanise(span) == words


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1h", HOUR),
        ("-1.5h", -HOUR * 3 // 2),
        ("+5ns", 5),
        ("1us", 1000),
        ("1\u00b5s", 1000),
        ("1\u03bcs", 1000),
        ("1.s", 1_000_000_000),
        ("-0", 0),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
        ("9223372036854775808ns9223372036854775808ns", 0),
    ],
)
def test_go_durations_are_read_as_go_reads_them(text: str, nanoseconds: int) -> None:
    assert durations.parse_go(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "1", "00", "1d", " 1h", "1h ", "1H", ".h", "1..5h", "1e3s", "--1s"),
        *("٣s", "9223372036854775808ns", "-9223372036854775809ns"),
        "9223372036854775807ns1ns",
    ],
)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        durations.parse_go(text)
