"""Properties of schedules that hold for every expression, zone and instant."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core import cron
from heartbeats.core.cron import CronError

MINUTE = timedelta(minutes=1)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
# Where the clocks change at night, but neither at midnight nor by half an hour.
CALM_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
# Where they do: missing midnights, half hours, left-out days, long summers.
WILD_ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
)

INSTANTS = st.datetimes(
    datetime.fromisoformat("1970-01-01"),
    datetime.fromisoformat("2100-01-01"),
    timezones=st.just(UTC),
)
ANY_INSTANT = st.datetimes(timezones=st.just(UTC))


def _item(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    span = st.tuples(value, value).map(sorted).map(lambda ends: "{}-{}".format(*ends))
    step = st.integers(1, 70).map("/{}".format)
    base = st.one_of(st.sampled_from("*?"), value.map(str), span)
    return st.one_of(base, st.tuples(base, step).map("".join))


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    items = st.lists(_item(low, high), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), items)


EXPRESSIONS = st.one_of(
    st.tuples(*(_field(*ends) for ends in BOUNDS)).map(" ".join),
    st.sampled_from(["@yearly", "@monthly", "@weekly", "@daily", "@hourly"]),
)


@dataclass(frozen=True)
class Sets:
    """A schedule as plain sets of values, in which both day fields count."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]

    def expression(self) -> str:
        fields = (self.minutes, self.hours, self.days, self.months)
        return " ".join(",".join(map(str, field)) for field in fields) + " *"

    def hold(self, at: datetime) -> bool:
        return (
            at.minute in self.minutes
            and at.hour in self.hours
            and at.day in self.days
            and at.month in self.months
            and not (at.second or at.microsecond)
        )


def _sets() -> st.SearchStrategy[Sets]:
    fields = (st.frozensets(st.integers(*ends), min_size=1) for ends in BOUNDS[:4])
    return st.builds(Sets, *fields)


@given(EXPRESSIONS, st.sampled_from(CALM_ZONES + WILD_ZONES), ANY_INSTANT)
def test_the_next_firing_is_later_than_the_instant_asked(
    expression: str, zone: str, asked_at: datetime
) -> None:
    found = cron.parse(expression, zone).next_after(asked_at)
    if found is not None:
        assert found > asked_at
        assert found.tzinfo is UTC
        assert found.microsecond == 0


@given(EXPRESSIONS, st.sampled_from(CALM_ZONES), INSTANTS, st.floats(0, 1))
def test_between_two_firings_the_answer_stays_the_same(
    expression: str, zone: str, asked_at: datetime, part: float
) -> None:
    schedule = cron.parse(expression, zone)
    found = schedule.next_after(asked_at)
    if found is not None:
        between = asked_at + (found - asked_at) * part
        if between < found:
            assert schedule.next_after(between) == found


@given(EXPRESSIONS, st.sampled_from(CALM_ZONES), INSTANTS)
def test_what_fires_next_fires(expression: str, zone: str, asked_at: datetime) -> None:
    schedule = cron.parse(expression, zone)
    found = schedule.next_after(asked_at)
    if found is not None:
        assert schedule.fires(found)
        assert not schedule.fires(found + timedelta(seconds=1))


@given(_sets(), INSTANTS)
def test_a_firing_is_in_every_set_of_values(sets: Sets, asked_at: datetime) -> None:
    found = cron.parse(sets.expression(), "UTC").next_after(asked_at)
    assert found is None or sets.hold(found)


@given(_sets(), INSTANTS, st.integers(1, 60 * 24 * 400))
def test_no_instant_in_every_set_of_values_is_passed_over(
    sets: Sets, instant: datetime, minutes: int
) -> None:
    slot = instant.replace(second=0, microsecond=0)
    fitting = Sets(
        sets.minutes | {slot.minute},
        sets.hours | {slot.hour},
        sets.days | {slot.day},
        sets.months | {slot.month},
    )
    schedule = cron.parse(fitting.expression(), "UTC")
    assert schedule.fires(slot)
    found = schedule.next_after(slot - minutes * MINUTE)
    assert found is not None
    assert found <= slot


@given(
    st.one_of(
        st.text(max_size=30),
        st.text(alphabet="0123456789*/-,? @everyTZ=UCsunjaL#hms\t", max_size=30),
        st.lists(
            st.text("0123456789*/-,?+sunja", min_size=1), min_size=5, max_size=5
        ).map(" ".join),
    ),
    st.one_of(st.just("UTC"), st.text(max_size=20)),
    ANY_INSTANT,
)
def test_any_text_is_a_schedule_or_refused_with_a_sentence(
    expression: str, zone: str, asked_at: datetime
) -> None:
    try:
        schedule = cron.parse(expression, zone)
    except CronError as error:
        refusal = str(error)
    else:
        refusal = ""
        found = schedule.next_after(asked_at)
        assert found is None or found > asked_at
    assert not refusal or len(refusal) > 20
