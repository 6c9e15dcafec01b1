"""Who is monitored in a simulated week.

Everything is drawn from one `random.Random`, so a seed is a whole week.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from heartbeats.core.model import Source, Spec
from support.week.cron_job import Character
from support.week.job_story import CronJobStory
from support.week.ping_story import Habits, PingStory
from support.week.rules import DAY, HOUR, MINUTE, SECOND
from support.week.story import Monitor, seconds

SCHEDULES = (
    # how many in a hundred, schedule, period
    (1, "* * * * *", MINUTE),
    (3, "*/5 * * * *", 5 * MINUTE),
    (6, "*/15 * * * *", 15 * MINUTE),
    (15, "0 * * * *", HOUR),
    (3, "@hourly", HOUR),
    (5, "@every 90m", 90 * MINUTE),
    (4, "@every 7h", 7 * HOUR),
    (6, "30 */2 * * *", 2 * HOUR),
    (8, "0 9,17 * * *", 8 * HOUR),
    (10, "30 2 * * *", DAY),
    (5, "0 0 * * *", DAY),
    (5, "15 1,2,3 * * *", HOUR),
    (6, "0 9 * * 1-5", DAY),
    (6, "0 8-18 * * 1-5", HOUR),
    (4, "0 0 1 * MON", 7 * DAY),
    (4, "0 0 */2 * 1", DAY),
    (3, "0 12 25 * 0", 7 * DAY),
    (3, "@weekly", 7 * DAY),
    (3, "@daily", DAY),
)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Australia/Lord_Howe",
)
GRACES = (None, 30 * SECOND, MINUTE, 10 * MINUTE, 20 * MINUTE, HOUR)
MAX_OPEN_SLOTS = 30
"""A status holds 32 slots that were settled while an earlier one was open."""


class Population:
    """Draws monitors of all kinds."""

    def __init__(self, seed: int, span: tuple[datetime, datetime]) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.span = span

    def monitors(self, number: int) -> Iterator[Monitor]:
        """Draw and play monitors, somewhat more CronJobs than pings."""
        for each in range(number):
            if each % 5 < 3:
                yield self._cron_job(f"job-{each}")
            else:
                yield self._pinged(f"ping-{each}")

    def _schedule(self) -> tuple[str, timedelta]:
        weights = [weight for weight, _, _ in SCHEDULES]
        [found] = self.rng.choices(SCHEDULES, weights)
        return found[1], found[2]

    def _first(self) -> datetime:
        """Draw when a monitor comes: never at the instant of a slot."""
        minute = self.rng.randrange(600)
        return self.span[0] + minute * MINUTE + self.rng.randint(21, 49) * SECOND

    def _some_time(self) -> datetime:
        minutes = int((self.span[1] - self.span[0]) / MINUTE)
        minute = self.rng.randrange(700, minutes)
        return self.span[0] + minute * MINUTE + self.rng.randint(21, 49) * SECOND

    def _spec(self, source: Source, period: timedelta, **more: object) -> Spec:
        rng = self.rng
        limit = None
        if rng.random() < 0.4:
            limit = seconds(min(period, DAY) * rng.uniform(0.3, 1.5)) + MINUTE
        fields: dict[str, object] = {
            "grace": rng.choice(
                [each for each in GRACES if not self._is_long(each, period)]
            ),
            "max_runtime": limit,
            "failure_threshold": rng.choice((None, None, 1, 2, 3)),
            "recovery_threshold": rng.choice((None, None, 1, 2)),
            "history_limit": rng.choice((None, 0, 3)),
            **more,
        }
        return Spec(source=source, **fields)  # type: ignore[arg-type]

    def _is_long(self, grace: timedelta | None, period: timedelta) -> bool:
        """Tell whether more slots may be open at once than a status remembers."""
        return grace is not None and grace > MAX_OPEN_SLOTS * period

    def _character(self) -> Character:
        rng = self.rng
        schedule, period = self._schedule()
        zone = rng.choice((*ZONES, None))
        hidden = None
        if zone is None and rng.random() < 0.3:
            hidden = rng.choice(("Europe/Berlin", "America/New_York"))
        some = rng.choice
        return Character(
            schedule=schedule,
            period=period,
            zone=zone,
            hidden_zone=hidden,
            policy=some(("Allow", "Allow", "Forbid", "Forbid", "Replace")),
            starting_deadline=some((None, None, 10 * SECOND, 2 * MINUTE)),
            active_deadline=some((None, None, seconds(min(period, DAY) * 0.6))),
            tells_last_schedule=schedule.startswith("@every") or rng.random() < 0.2,
            slow=some((0, 0, 0.05, 0.3)),
            failing=some((0, 0.02, 0.2)),
            hanging=some((0, 0, 0.02, 0.1)),
            stuck=some((0, 0, 0.02, 0.1)),
            lazy=some((0, 0.02, 0.1)),
            vanishing=some((0, 0, 0.03)),
        )

    def _cron_job(self, name: str) -> Monitor:
        rng = self.rng
        character = self._character()
        spec = self._spec(Source.CRON_JOB, character.period, cron_job_name=name)
        story = CronJobStory(name, character, spec, self.span, rng)
        story.plan(self._first(), story.begin_at)
        for _ in range(rng.randint(0, 4)):
            story.plan(self._some_time(), story.run_by_hand)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._disturb(story)
        return story.monitor()

    def _disturb(self, story: CronJobStory) -> None:
        at, later = sorted((self._some_time(), self._some_time()))
        schedule, _ = self._schedule()
        zone = self.rng.choice(ZONES)
        match self.rng.choice(("suspend", "pause", "nap", "edit", "gone", "quota")):
            case "suspend":
                story.plan(at, lambda now: story.suspend(now, True))
                story.plan(later, lambda now: story.suspend(now, False))
            case "pause":
                story.plan(at, lambda now: story.pause(now, None, True))
                story.plan(later, lambda now: story.pause(now, None, False))
            case "nap":
                story.plan(at, lambda now: story.pause(now, later, True))
            case "edit" if story.character.hidden_zone is None:
                story.plan(at, lambda now: story.edit(now, schedule, zone))
            case "gone" if story.may_be_recreated:
                away = self.rng.choice((MINUTE, 20 * MINUTE, 3 * HOUR, 2 * DAY))
                away += self.rng.randint(1, 9) * SECOND
                story.plan(at, story.delete)
                story.plan(at + away, story.recreate)
            case _:
                story.plan(at, lambda now: story.refuse(now, later))

    def _pinged(self, name: str) -> Monitor:
        rng = self.rng
        more: dict[str, object] = {}
        if rng.random() < 0.5:
            schedule, period = self._schedule()
            more = {"schedule": schedule, "time_zone": rng.choice(ZONES)}
            if schedule.startswith("@every"):
                more["schedule"] = "0 */3 * * *"
        else:
            period = rng.choice((5 * MINUTE, HOUR, HOUR, 6 * HOUR, DAY, DAY, 3 * DAY))
            more = {"interval": period}
        more["first_check_in_within"] = rng.choice((None, 2 * HOUR, DAY))
        spec = self._spec(Source.PING, period, **more)
        starts = rng.random() < 0.6
        habits = Habits(
            period=period,
            starts=starts,
            ids=starts and rng.random() < 0.5,
            failing=rng.choice((0, 0.03, 0.2)),
            skipping=rng.choice((0, 0.03, 0.2)),
            unfinished=rng.choice((0, 0.02, 0.1)),
        )
        story = PingStory(name, habits, spec, self.span, rng)
        story.plan(self._first(), story.begin_at)
        if rng.random() < 0.3:
            at, later = sorted((self._some_time(), self._some_time()))
            until = rng.choice((None, later))
            story.plan(at, lambda now: story.pause(now, until, True))
            if until is None:
                story.plan(later, lambda now: story.pause(now, None, False))
        return story.monitor()
