"""The status page served from monitors in memory; and a fleet worth looking at.

It holds no expectations. The clock stands still, so that a page tells the same always.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from heartbeats.config import Address
from heartbeats.core.model import (
    ActiveRun,
    Incident,
    MonitorKey,
    Policy,
    Reason,
    Run,
    Source,
    Spec,
    State,
)
from heartbeats.edges.listener import Listener
from heartbeats.edges.page.site import Place, StatusPage
from heartbeats.ledger.entries import Entry
from support.builders import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    SetClock,
    check_in,
    entry,
    state,
)

DAY = 24 * HOUR
NOBODY: Callable[[], str | None] = lambda: None  # noqa: E731 - a type is written
PLACE = Place("https://pings.example.org", "heartbeats-system", 8082)


class Known:
    """Monitors as the page reads them."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = list(entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def named(self, key: MonitorKey) -> Entry | None:
        return next((each for each in self.entries if each.key == key), None)


@dataclass(frozen=True, slots=True)
class Served:
    """A page that is served, and what is behind it."""

    url: str
    page: StatusPage
    known: Known
    clock: SetClock
    listener: Listener

    def change(self, name: str, state_: State, namespace: str = "shop") -> None:
        """Give a monitor another state, as the ledger does."""
        found = self.known.named(MonitorKey(namespace, name))
        assert found is not None
        found.state = state_
        self.page.mark(found.key)


@asynccontextmanager
async def serving(
    known: Known, follows: Callable[[], str | None] = NOBODY
) -> AsyncIterator[Served]:
    """Serve a page on a free port of 127.0.0.1."""
    clock = SetClock()
    page = StatusPage(known, clock, follows, PLACE)
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        yield Served(listener.url, page, known, clock, listener)


def down(reason: Reason, message: str, ago: timedelta, **fields: object) -> State:
    """Make a state that has been Down for a while."""
    opened_at = NOW - ago
    found = Incident(
        opened_at=opened_at,
        reason=reason,
        message=message,
        slot_at=opened_at - 5 * MINUTE,
    )
    return state(incident=found, changed_at=opened_at, **fields)


def runs(
    signs: str,
    every: timedelta = DAY,
    first: timedelta = HOUR,
    *,
    now: datetime = NOW,
) -> tuple[Run, ...]:
    """Make a history, the newest first: + is a success, x a failure, - was missed."""
    outcomes = {"+": "success", "x": "failure", "-": "missed"}
    return tuple(
        Run(
            outcome=outcomes[sign],
            at=now - first - number * every,
            slot_at=now - first - number * every - 5 * MINUTE,
            duration=None if sign == "-" else (160 + 7 * number) * SECOND,
            exit_code={"+": 0, "x": 137}.get(sign),
            message="Out of memory: killed after 2.1 GiB." if sign == "x" else "",
            reason={"-": Reason.RUN_MISSED, "x": Reason.RUN_FAILED}.get(sign),
        )
        for number, sign in enumerate(signs)
    )


def _cron(schedule: str, zone: str = "UTC", **fields: object) -> Policy:
    return Policy(
        source=Source.CRON_JOB,
        schedule=schedule,
        time_zone=zone,
        origins=(("schedule", "CronJob"), ("timeZone", "CronJob"), *_ORIGINS),
        **fields,  # type: ignore[arg-type]
    )


_ORIGINS = (("severity", "annotation on the Namespace"), ("owner", "spec"))


def _ping(hours: int, **fields: object) -> Policy:
    return Policy(
        source=Source.PING,
        interval=hours * HOUR,
        origins=(("interval", "spec"), *_ORIGINS),
        **fields,  # type: ignore[arg-type]
    )


def _of(
    namespace: str, name: str, policy: Policy, state_: State | None = None
) -> Entry:
    spec = Spec(
        source=policy.source,
        cron_job_name=name if policy.source is Source.CRON_JOB else None,
    )
    shown = state_ or state()
    if shown.history:
        last = check_in(at=shown.history[0].at)
        shown = replace(shown, last_check_in=last)
    return entry(name, shown, policy, namespace=namespace, spec=spec)


def showcase() -> Known:
    """Return monitors of a small company, of every state."""
    return Known(
        _of(
            "payments",
            "ledger-backup",
            _cron(
                "0 2 * * *",
                "Europe/Berlin",
                severity="critical",
                owner="team-payments",
                description="Dumps the ledger to the second site.",
                runbook_url="https://runbooks.example.org/ledger-backup",
                max_runtime=2 * HOUR,
            ),
            down(
                Reason.RUN_MISSED,
                "Due at 2026-11-21T01:00:00Z, and no run appeared within 5m. The "
                "CronJob controller says: exceeded quota: compute, requested: "
                "limits.memory=4Gi.",
                10 * HOUR + 55 * MINUTE,
                next_expected_at=NOW + 13 * HOUR,
                history=runs("-+++++++++", first=10 * HOUR + 55 * MINUTE),
                last_success_at=NOW - 34 * HOUR,
                consecutive_failures=1,
            ),
        ),
        _of(
            "web",
            "invoice-mails",
            _cron("*/15 * * * *", severity="warning", owner="team-web"),
            down(
                Reason.RUN_FAILED,
                "Exit code 137: Out of memory: killed after 2.1 GiB.",
                12 * MINUTE,
                next_expected_at=NOW + 3 * MINUTE,
                history=runs("x+++x+++++", every=15 * MINUTE, first=12 * MINUTE),
                last_failure_at=NOW - 12 * MINUTE,
                consecutive_failures=1,
            ),
        ),
        _of(
            "data",
            "warehouse-load",
            _cron("30 3 * * *", owner="team-data"),
            state(
                blind_at=NOW - 8 * HOUR,
                changed_at=NOW - 8 * HOUR,
                history=runs("+++++++", first=32 * HOUR),
                next_expected_at=NOW + 15 * HOUR + 30 * MINUTE,
            ),
        ),
        _of(
            "web",
            "sitemap",
            _ping(1, owner="team-web"),
            state(
                next_expected_at=NOW - 2 * MINUTE,
                history=runs("++++++++++", every=HOUR, first=HOUR),
            ),
        ),
        _of(
            "data",
            "new-exports",
            _ping(24, first_check_in_within=DAY, owner="team-data"),
            State(armed_at=NOW - 3 * HOUR, changed_at=NOW - 3 * HOUR),
        ),
        _of(
            "payments",
            "legacy-sync",
            _cron("0 * * * *", suspended=True),
            state(paused=True, changed_at=NOW - 3 * DAY, history=runs("+x++")),
        ),
        _of(
            "payments",
            "settlement",
            _cron("0 */6 * * *", max_runtime=HOUR, owner="team-payments"),
            state(
                active_runs=(
                    ActiveRun(id="job-1", started_at=NOW - 7 * MINUTE, slot_at=NOW),
                ),
                next_expected_at=NOW + 6 * HOUR,
                history=runs("++++++++", every=6 * HOUR, first=6 * HOUR),
                longest_success=9 * MINUTE,
            ),
        ),
        *(
            _of(
                namespace,
                name,
                _cron(schedule, owner=owner),
                state(
                    next_expected_at=NOW + left,
                    history=runs(signs, every=every, first=every - left),
                ),
            )
            for namespace, name, schedule, owner, left, every, signs in _HEALTHY
        ),
    )


_HEALTHY = (
    ("data", "index-rebuild", "51 16 * * *", "team-data", 4 * HOUR + 51 * MINUTE, DAY,
     "++++++-+++"),
    ("data", "retention", "0 1 * * 0", "team-data", 13 * HOUR, 7 * DAY, "++++"),
    ("infra", "cert-renewal", "0 */12 * * *", "platform", 12 * HOUR, 12 * HOUR,
     "++++++++++"),
    ("infra", "etcd-snapshot", "*/30 * * * *", "platform", 18 * MINUTE, 30 * MINUTE,
     "++++++++++"),
    ("infra", "node-image-gc", "0 4 * * *", "platform", 16 * HOUR, DAY, "+++++++++x"),
    ("web", "cache-warmup", "*/5 * * * *", "team-web", 4 * MINUTE, 5 * MINUTE,
     "++++++++++"),
    ("web", "thumbnails", "*/10 * * * *", "team-web", 9 * MINUTE, 10 * MINUTE,
     "+++-++++++"),
)  # fmt: skip
