"""Properties of durations that hold for every span and every text."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core import durations
from heartbeats.core.durations import DurationError

CENTURIES = timedelta(days=106_000)  # Go's durations end at 292 years
SPANS = st.timedeltas(min_value=timedelta(), max_value=CENTURIES)
TEXTS = st.one_of(
    st.text(max_size=12), st.text(alphabet="0123456789.+-hmsdw nuµ", max_size=40)
)


@given(SPANS)
def test_what_is_written_is_read_back_as_the_same_span(span: timedelta) -> None:
    assert durations.parse(durations.format(span)) == span


@given(SPANS)
def test_what_is_written_means_the_same_to_go(span: timedelta) -> None:
    nanoseconds = span // timedelta(microseconds=1) * 1000
    # Only the decimals of a part of a millisecond may lose a nanosecond there.
    assert abs(durations.parse_go(durations.format(span)) - nanoseconds) <= 1


@given(TEXTS)
def test_any_text_is_a_duration_or_refused_with_a_sentence(text: str) -> None:
    try:
        span = durations.parse(text)
    except DurationError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert durations.parse(durations.format(span)) == span
    assert not refusal or len(refusal) > 20


@given(TEXTS)
def test_what_the_resource_takes_go_takes_too(text: str) -> None:
    try:
        span = durations.parse(text)
    except DurationError:
        return
    microseconds = span // timedelta(microseconds=1)
    assert durations.parse_go(text) == pytest.approx(microseconds * 1000, abs=500)


@given(st.timedeltas(min_value=-CENTURIES, max_value=CENTURIES))
def test_a_person_is_told_at_most_two_units(span: timedelta) -> None:
    words = durations.humanise(span).split()
    assert 1 <= len(words) <= 2
