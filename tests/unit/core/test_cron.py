"""Schedules: what is accepted, what it means, and what the clocks do to it.

Every expected instant was given by robfig/cron v3.0.1, the CronJob controller's own
library, except where a test says that the library would not answer.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import heartbeats
from heartbeats.core import cron
from heartbeats.core.cron import CronError, UnknownTimeZoneError
from heartbeats.core.cron_fields import parse_fields
from heartbeats.core.cron_search import next_firing

SATURDAY = "2026-11-21T12:00"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def firings(expression: str, zone: str, after: str, count: int) -> list[str]:
    """List the next instants, in UTC, to the minute."""
    schedule = cron.parse(expression, zone)
    instant = at(after)
    found: list[str] = []
    for _ in range(count):
        following = schedule.next_after(instant)
        if following is None:
            break
        found.append(following.strftime("%Y-%m-%dT%H:%M"))
        instant = following
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", ["2026-11-22T02:00", "2026-11-23T02:00"]),
        ("5/15 * * * *", ["2026-11-21T12:05", "2026-11-21T12:20"]),
        ("*/60 * * * *", ["2026-11-21T13:00", "2026-11-21T14:00"]),
        ("*/120 * * * *", ["2026-11-21T13:00", "2026-11-21T14:00"]),
        (",,30,45 12 * * *", ["2026-11-21T12:30", "2026-11-21T12:45"]),
        ("1-5/2 13 * * *", ["2026-11-21T13:01", "2026-11-21T13:03"]),
        ("5-7/9 * * * *", ["2026-11-21T12:05", "2026-11-21T13:05"]),
        ("+5 12 * * *", ["2026-11-21T12:05", "2026-11-22T12:05"]),
        ("0 0 1 JAN,Feb ?", ["2027-01-01T00:00", "2027-02-01T00:00"]),
        ("0 0 * * Mon-wed", ["2026-11-23T00:00", "2026-11-24T00:00"]),
        ("0 0 * * fr\u0130", ["2026-11-27T00:00", "2026-12-04T00:00"]),
        ("*-5 12 * * *", ["2026-11-21T12:01", "2026-11-21T12:02"]),
        ("\t0\v2 *\u00a0*\u3000* \n", ["2026-11-22T02:00", "2026-11-23T02:00"]),
        ("@hourly", ["2026-11-21T13:00", "2026-11-21T14:00"]),
        ("@daily", ["2026-11-22T00:00", "2026-11-23T00:00"]),
        ("@midnight", ["2026-11-22T00:00", "2026-11-23T00:00"]),
        ("@weekly", ["2026-11-22T00:00", "2026-11-29T00:00"]),
        ("@monthly", ["2026-12-01T00:00", "2027-01-01T00:00"]),
        ("@yearly", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("@annually", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("@every 90m", ["2026-11-21T13:30", "2026-11-21T15:00"]),
    ],
)
def test_a_schedule_fires_as_the_controller_runs_it(
    expression: str, expected: list[str]
) -> None:
    assert firings(expression, "UTC", SATURDAY, 2) == expected


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 1 * MON", ["11-23", "11-30", "12-01", "12-07"]),
        ("0 0 13 * fri", ["11-27", "12-04", "12-11", "12-13"]),
        ("0 0 */2 * 1", ["11-23", "11-25", "11-27", "11-29"]),
    ],
)
def test_either_day_field_suffices_when_both_are_restricted(
    expression: str, days: list[str]
) -> None:
    expected = [f"2026-{day}T00:00" for day in days]
    assert firings(expression, "UTC", SATURDAY, 4) == expected


@pytest.mark.parametrize("day", ["*", "?", "*/1", "*,1", "?/1"])
def test_both_day_fields_count_when_one_is_a_bare_star(day: str) -> None:
    expected = ["2026-11-23T00:00", "2026-11-30T00:00"]
    assert firings(f"0 0 {day} * 1", "UTC", SATURDAY, 2) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T00:30"),
        ("30 3 * * *", "Europe/Riga", "2026-03-28T12:00", "2026-03-30T00:30"),
        ("*/30 3 * * *", "Europe/Riga", "2026-03-28T12:00", "2026-03-30T00:00"),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", "2026-03-09T06:30"),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", "2026-04-24T21:00"),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00", "2025-10-05T15:15"),
        ("0 0 * * *", "Africa/Monrovia", "1972-01-06T12:00", "1972-01-09T00:00"),
    ],
)
def test_a_time_that_the_clocks_skip_does_not_fire_that_day(
    expression: str, zone: str, after: str, expected: str
) -> None:
    assert firings(expression, zone, after, 1) == [expected]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-26T01:30"],
        ),
        (
            "30 3 * * *",
            "Europe/Riga",
            "2026-10-24T12:00",
            ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-26T01:30"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00",
            ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-02T06:30"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-03T20:00",
            ["2026-04-04T14:45", "2026-04-04T15:15", "2026-04-05T15:15"],
        ),
    ],
)
def test_a_time_that_the_clocks_repeat_fires_twice(
    expression: str, zone: str, after: str, expected: list[str]
) -> None:
    assert firings(expression, zone, after, 3) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("15 3 * * *", "Europe/Berlin", "2026-03-28T23:30", "2026-03-29T01:15"),
        ("30 2 * * sun", "America/Havana", "2024-03-10T04:00", "2024-03-10T06:30"),
        ("* 1 * * sun", "America/Havana", "2024-03-10T00:00", "2024-03-10T05:00"),
        ("0 0 28 * *", "America/Havana", "2024-03-09T00:00", "2024-03-28T04:00"),
        ("0 0 31 3 *", "America/Havana", "2023-11-04T00:00", "2024-03-31T04:00"),
        ("0 12 * * *", "Pacific/Chatham", "2006-09-30T14:00", "2006-09-30T22:15"),
        ("0 0 * * sun", "America/Sao_Paulo", "2018-11-01T12:00", "2018-11-11T02:00"),
        ("0 0 1 * *", "Asia/Amman", "2014-03-25T12:00", "2014-03-31T21:00"),
        ("0 1 * * sun", "Asia/Beirut", "2024-10-26T21:30", "2024-10-26T23:00"),
        ("45 1 * * *", "Africa/Cairo", "2024-10-31T21:00", "2024-10-31T23:45"),
        # October began with a gap: its zeroed start is in September, a year is lost.
        ("0 0 1 11 *", "America/Asuncion", "2000-10-01T05:00", "2001-11-01T03:00"),
    ],
)
def test_a_search_across_a_clock_change_ends_where_the_controllers_does(
    expression: str, zone: str, after: str, expected: str
) -> None:
    assert firings(expression, zone, after, 1) == [expected]


def test_where_midnight_is_missing_saturdays_schedule_runs_into_sunday() -> None:
    # 2018-11-04 began at 01:00 in Sao Paulo, and it was a Sunday.
    expected = ["2018-11-04T03:00", "2018-11-10T03:00"]
    found = firings("* 1 * * sat", "America/Sao_Paulo", "2018-11-03T20:00", 2)
    assert found == expected


def test_a_firing_that_only_an_earlier_search_finds_is_not_seen_by_fires() -> None:
    saturdays = cron.parse("* 1 * * sat", "America/Sao_Paulo")
    assert not saturdays.fires(at("2018-11-04T03:00"))


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 12 30 12 *", "2011-12-28T00:00", "2012-12-29T22:00"),
        ("0 12 * * fri", "2011-12-24T00:00", "2012-01-05T22:00"),
        ("0 12 30,31 12 *", "2011-12-29T12:00", "2011-12-30T22:00"),
        ("0 0 31 2 *", "2011-12-28T00:00", None),
    ],
)
def test_after_a_day_that_a_zone_left_out_the_next_real_firing_is_found(
    expression: str, after: str, expected: str | None
) -> None:
    # Samoa had no 2011-12-30; the controller's library would search for ever.
    found = firings(expression, "Pacific/Apia", after, 1)
    assert found == ([expected] if expected else [])


def test_where_the_controllers_search_stands_still_time_goes_on() -> None:
    # On Chatham the clocks go back from 03:45 to 02:45: the library finds 02:48,
    # and from there 02:48 again.
    expected = ["2026-04-04T14:03", "2026-04-04T15:03", "2026-04-05T15:03"]
    found = firings("48 3 * * *", "Pacific/Chatham", "2026-04-04T00:00", 3)
    assert found == expected


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 1 * MON", "1892-07-04T13:29:13", "1892-07-11T11:22:48"),
        ("30 10,14 * * *", "1892-07-04T20:26:56", "1892-07-05T01:52:48"),
        ("0 9 4 7 *", "1892-07-04T12:30", "1893-07-04T20:22:48"),
    ],
)
def test_on_a_repeated_day_the_library_is_asked_from_later_minutes(
    expression: str, after: str, expected: str
) -> None:
    # Samoa had 1892-07-04 twice; a search on the second one begins on the first.
    schedule = cron.parse(expression, "Pacific/Pago_Pago")
    assert schedule.next_after(at(after)) == at(expected)


def test_a_search_on_a_repeated_day_goes_on_by_the_hour() -> None:
    class Counted(ZoneInfo):
        looks = 0

        def utcoffset(self, when: datetime | None, /) -> timedelta | None:
            Counted.looks += 1
            return super().utcoffset(when)

    fields = parse_fields(["0", "0", "1", "*", "MON"])
    asked_at = int(at("1892-07-04T13:29:13").timestamp())
    found = next_firing(fields, Counted("Pacific/Pago_Pago"), asked_at)
    assert found == int(at("1892-07-11T11:22:48").timestamp())
    assert Counted.looks < 1000


@pytest.mark.parametrize(
    ("expression", "after"),
    [
        ("0 0 31 2 *", "2026-11-21T12:00"),
        ("0 0 31 4,6,9,11 *", "2026-11-21T12:00"),
        ("0 0 29 2 *", "2096-03-01T00:00"),
        (", * * * *", "2026-11-21T12:00"),
        ("0 , * * *", "2026-11-21T12:00"),
        ("0 0 * , *", "2026-11-21T12:00"),
        ("0 0 , * *", "2026-11-21T12:00"),
        ("0 0 , * ,", "2026-11-21T12:00"),
    ],
)
def test_a_schedule_without_a_firing_in_five_years_never_fires(
    expression: str, after: str
) -> None:
    assert firings(expression, "Europe/Berlin", after, 1) == []


def test_an_empty_day_of_month_leaves_the_day_of_week() -> None:
    assert firings("0 0 , * 1", "UTC", SATURDAY, 1) == ["2026-11-23T00:00"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("expression", ["* * * * *", "0 0 29 2 *", "@every 1h"])
def test_the_end_of_the_calendar_is_never_an_error(expression: str, zone: str) -> None:
    schedule = cron.parse(expression, zone)
    assert schedule.next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert not schedule.fires(datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_the_beginning_of_the_calendar_is_never_an_error(zone: str) -> None:
    first = datetime.min.replace(tzinfo=UTC)
    schedule = cron.parse("* * * * *", zone)
    following = schedule.next_after(first)
    assert following is not None
    assert first < following <= first + timedelta(minutes=1)
    assert schedule.fires(first) in {True, False}


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("@every 1h30m", 5400),
        ("@every 1.9s", 1),
        ("@every 10ms", 1),
        ("@every 0", 1),
        ("@every -5m", 1),
        ("@every 90s500ms", 90),
        ("TZ=Asia/Tokyo   @every 2m", 120),
    ],
)
def test_every_counts_whole_seconds_from_the_instant_asked(
    expression: str, seconds: int
) -> None:
    asked_at = at("2026-11-21T12:00:07")
    schedule = cron.parse(expression, "Europe/Berlin")
    expected = asked_at + timedelta(seconds=seconds)
    assert schedule.next_after(asked_at) == expected
    assert schedule.next_after(asked_at + timedelta(microseconds=999_999)) == expected


def test_parts_of_a_second_do_not_delay_a_firing() -> None:
    schedule = cron.parse("* * * * *", "UTC")
    almost = at("2026-11-21T12:00:59") + timedelta(microseconds=999_999)
    assert schedule.next_after(almost) == at("2026-11-21T12:01")


def test_an_instant_of_another_offset_is_the_same_instant() -> None:
    schedule = cron.parse("0 2 * * *", "UTC")
    assert schedule.next_after(datetime.fromisoformat("2026-11-22T03:30+02:00")) == at(
        "2026-11-22T02:00"
    )


@pytest.mark.parametrize(
    ("expression", "expected", "zone"),
    [
        ("TZ=Asia/Tokyo 0 0 * * *", "2026-11-21T15:00", "Asia/Tokyo"),
        ("CRON_TZ=Asia/Tokyo\x20\t0 0 * * *", "2026-11-21T15:00", "Asia/Tokyo"),
        ("TZ=Asia/Tokyo  @daily ", "2026-11-21T15:00", "Asia/Tokyo"),
        ("TZ=Asia/Tokyo \u2003@daily\u00a0", "2026-11-21T15:00", "Asia/Tokyo"),
        ("TZ= 0 0 * * *", "2026-11-22T00:00", "UTC"),
        ("TZ=Local 0 0 * * *", "2026-11-21T23:00", "Europe/Berlin"),
        ("TZ=./Asia//Tokyo 0 0 * * *", "2026-11-21T15:00", "Asia/Tokyo"),
    ],
)
def test_a_zone_in_an_old_schedule_wins(
    expression: str, expected: str, zone: str
) -> None:
    assert firings(expression, "Europe/Berlin", SATURDAY, 1) == [expected]
    assert cron.parse(expression, "Europe/Berlin").zone == zone


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("60 * * * *", "the minute '60' is out of range: allowed are 0 to 59"),
        ("* 24 * * *", "the hour '24' is out of range: allowed are 0 to 23"),
        ("* * 0 * *", "the day of month '0' is out of range: allowed are 1 to 31"),
        ("* * * 13 *", "allowed are 1 to 12 or JAN to DEC"),
        ("* * * * 7", "allowed are 0 to 6 or SUN to SAT"),
        ("* * * * 7", "Sunday is 0, not 7"),
        ("* * * * 0-7", "the day of week '0-7' is out of range"),
        ("* 22-2 * * *", "the hour '22-2' runs backwards"),
        ("* * * * sat-sun", "runs backwards"),
        ("99/5 * * * *", "out of range"),
        ("*/0 * * * *", "the minute '*/0' has a step of 0"),
        ("*/-0 * * * *", "has a step of 0"),
        ("*/-2 * * * *", "has a negative number"),
        ("*/sun * * * *", "has 'sun' where a number belongs"),
        ("-5 * * * *", "has nothing where a number belongs"),
        ("5- * * * *", "has nothing where a number belongs"),
        ("5/ * * * *", "has nothing where a number belongs"),
        ("1-2-3 * * * *", "too many hyphens"),
        ("*/2/3 * * * *", "too many slashes"),
        ("\u0665 * * * *", "where a number belongs"),
        ("1_0 * * * *", "where a number belongs"),
        ("jan * * * *", "where a number belongs"),
        ("* * L * *", "L and W are not known here"),
        ("* * * * 5#3", "L and # are not known here"),
        ("*/9223372036854775808 * * * *", "too large a number"),
        ("9" * 9000 + " * * * *", "too large a number"),
        ("* * * *", "a schedule has 5 fields"),
        ("0 * * * * *", "found 6"),
        ("*\x1c*\x1d* * *", "found 3"),
        ("", "the schedule is empty"),
        ("  ", "found 0"),
        (" @daily", "found 1"),
        ("@daily ", "@daily"),
        ("@Daily", "small letters"),
        ("@reboot", "not known"),
        ("@every", "not known"),
        ("@every 1d", "write 24h, not 1d"),
        ("@every  1h", "duration of @every"),
        ("@every 300y", "unknown unit"),
        ("TZ=0", "names a zone but no schedule"),
        ("CRON_TZ=UTC", "names a zone but no schedule"),
        ("TZ=UTC ", "the schedule is empty"),
        ("TZ=UTC TZ=UTC * * * * *", "found 6"),
        ("TZ=Nowhere/Else * * * * *", "time zone 'Nowhere/Else' is not known"),
        ("TZ=/UTC * * * * *", "is not known"),
        ("TZ=Europe/Berlin/ * * * * *", "is not known"),
        ("TZ=UTC\t* * * * *", "is not known"),
        ("tz=UTC * * * * *", "found 6"),
    ],
)
def test_what_the_controller_refuses_is_refused_with_a_sentence(
    expression: str, part: str
) -> None:
    with pytest.raises(CronError) as refusal:
        cron.parse(expression, "UTC")
    assert part in str(refusal.value)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "zone",
    [
        *(
            "",
            "Local",
            "local",
            "Nowhere",
            "America",
            "America/",
            "Europe/berlin ",
            ".",
        ),
        *("../etc/passwd", "/etc/passwd", "/etc/localtime", "Europe/../UTC", "..", "/"),
        *("UTC\0", "\0", "Europe\\Berlin", "zone.tab", "tzdata.zi", "__init__.py"),
        *("Europe//Berlin", "./UTC", "Europe/Berlin\n", "UTC+1", "Éire", "\ud800"),
        *("a" * 5000, "A/" * 500 + "A", "heartbeats.core", "Europe.Berlin"),
    ],
)
def test_a_zone_that_is_no_zone_is_refused_and_nothing_else_happens(zone: str) -> None:
    with pytest.raises(UnknownTimeZoneError, match="IANA") as refusal:
        cron.parse("0 2 * * *", zone)
    assert isinstance(refusal.value, CronError)


def test_a_zone_is_checked_where_the_schedule_does_not_need_it() -> None:
    with pytest.raises(UnknownTimeZoneError):
        cron.parse("@every 1h", "Nowhere")
    with pytest.raises(UnknownTimeZoneError):
        cron.parse("TZ=UTC * * * * *", "Nowhere")


def test_a_firing_is_told_from_any_other_instant() -> None:
    schedule = cron.parse("30 2 * * *", "Europe/Berlin")
    assert schedule.fires(at("2026-11-22T01:30"))
    assert not schedule.fires(at("2026-11-22T02:30"))
    assert not schedule.fires(at("2026-11-22T01:30:01"))
    assert not schedule.fires(at("2026-11-22T01:30") + timedelta(microseconds=1))


def test_both_firings_of_a_repeated_hour_are_firings() -> None:
    schedule = cron.parse("30 2 * * *", "Europe/Berlin")
    assert schedule.fires(at("2026-10-25T00:30"))
    assert schedule.fires(at("2026-10-25T01:30"))


def test_schedules_are_equal_when_written_alike_for_one_zone() -> None:
    schedule = cron.parse("0 2 * * *", "UTC")
    assert schedule == cron.parse("0 2 * * *", "UTC")
    assert hash(schedule) == hash(cron.parse("0 2 * * *", "UTC"))
    assert schedule != cron.parse("0 2 * * *", "Europe/Berlin")
    assert schedule != cron.parse("0  2 * * *", "UTC")
    assert (schedule.expression, schedule.zone) == ("0 2 * * *", "UTC")
    assert repr(schedule) == "Cron(expression='0 2 * * *', zone='UTC')"


def test_a_year_of_a_daily_schedule_has_one_firing_a_day_but_two_in_october() -> None:
    schedule = cron.parse("30 2 * * *", "Europe/Berlin")
    instants = [at("2025-12-31T12:00")]
    while (following := schedule.next_after(instants[-1])) and following.year < 2027:
        instants.append(following)
    gaps = {later - earlier for earlier, later in pairwise(instants[1:])}
    assert len(instants) - 1 == 365  # one too few in March, one too many in October
    assert gaps == {timedelta(hours=hours) for hours in (1, 24, 47)}


def test_the_schedule_language_needs_no_installed_distribution() -> None:
    source = Path(heartbeats.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import heartbeats.core.cron"
    )
    # -I -S: no site-packages at all, neither kopf nor ourselves as installed.
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_a_schedule_is_read_once_for_each_reading_of_its_zone() -> None:
    """What is remembered must not outlive the zone's file."""
    first = cron.parse("7 3 * * *", "Pacific/Niue")
    assert cron.parse("7 3 * * *", "Pacific/Niue") is first
    ZoneInfo.clear_cache(only_keys=["Pacific/Niue"])
    anew = cron.parse("7 3 * * *", "Pacific/Niue")
    assert anew == first
    assert anew is not first
