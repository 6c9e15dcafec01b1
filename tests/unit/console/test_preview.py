"""What is foretold of CronJobs: from the first day on, and had they been watched."""

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from heartbeats.console.inventory import Inventory
from heartbeats.console.preview import Preview, as_lines
from heartbeats.console.preview_object import as_object
from heartbeats.console.rehearsal import Action, Prospect, evidence_begins, rehearse
from heartbeats.core.model import CronJobFacts, Health, Reason
from heartbeats.core.policy import ANNOTATIONS, PREFIX, Defaults
from heartbeats.core.schedule import Timetable
from heartbeats.core.verdict import Verdict, verdict
from heartbeats.edges.kube.autodiscovery import monitor_for
from heartbeats.edges.kube.jobs import SLOT_ANNOTATION, facts_of, report
from heartbeats.edges.kube.monitors import sighting_of
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.wishes import AutoMonitor, Wishes
from heartbeats.ledger import Sighting
from support.builders import (
    HOUR,
    MINUTE,
    NOW,
    Object,
    SetClock,
    condition,
    cron_job,
    job_object,
    metadata,
    monitor_object,
    text,
)
from support.ledgers import Bench

AT = NOW + 20 * MINUTE
"""Twenty minutes after a slot of an hourly schedule: all windows are over."""

COMPLETE = {"conditions": [condition("Complete")], "succeeded": 1}
FAILED = {"conditions": [condition("Failed", reason="BackoffLimitExceeded")]}
RUNNING = {"active": 1, "ready": 1}
PENDING: Object = {}


def facts(**fields: Any) -> CronJobFacts:
    """Make an hourly CronJob that was created a week ago."""
    default = facts_of(cron_job())
    week_ago = NOW - timedelta(days=7)
    return replace(
        default, **{"created_at": week_ago, "last_schedule_at": NOW, **fields}
    )


def run(slot_at: datetime, status: Object, *, took: timedelta = MINUTE) -> Job:
    """Make the Job of a slot; one that ended did so when it had taken so long."""
    known = dict(status)
    ended = text(slot_at + took)
    if "conditions" in known:
        conditions = [
            {**each, "lastTransitionTime": ended} for each in known["conditions"]
        ]
        known |= {"conditions": conditions, "completionTime": ended}
    if known:
        known["startTime"] = text(slot_at)
    name = f"nightly-{slot_at:%d%H%M}"
    annotations = {SLOT_ANNOTATION: text(slot_at)}
    body = job_object(name, known, annotations=annotations)
    body["metadata"]["creationTimestamp"] = text(slot_at)
    return msgspec.convert(body, Job)


async def foretold(
    stock: Inventory, mode: str = "all", excluded: tuple[str, ...] = ()
) -> Preview:
    wishes = Wishes(AutoMonitor(mode), frozenset(excluded))
    clock = SetClock(AT)
    found = await rehearse(stock, wishes, Defaults(), clock=clock)
    return Preview(stock, found, ping_secrets=True, writes_per_second=50.0, now=AT)


async def the_only(stock: Inventory) -> Prospect:
    [found] = (await foretold(stock)).rehearsal.prospects
    return found


@pytest.mark.parametrize(
    ("known", "jobs", "expected"),
    [
        ({}, [run(NOW, COMPLETE)], (Health.UP, Reason.ON_SCHEDULE)),
        ({}, [run(NOW, FAILED)], (Health.DOWN, Reason.RUN_FAILED)),
        (
            {},
            [run(NOW - HOUR, FAILED), run(NOW, COMPLETE)],
            (Health.UP, Reason.ON_SCHEDULE),
        ),
        (
            {},
            [run(NOW - HOUR, COMPLETE), run(NOW, FAILED)],
            (Health.DOWN, Reason.RUN_FAILED),
        ),
        ({}, [run(NOW, PENDING)], (Health.DOWN, Reason.POD_NOT_READY)),
        (
            {"active_deadline": 10 * MINUTE},
            [run(NOW, RUNNING)],
            (Health.DOWN, Reason.RUN_OVERDUE),
        ),
        ({}, [run(NOW, RUNNING)], (Health.NEW, Reason.NEVER_REPORTED)),
        # It stopped three slots ago, and nobody knows why.
        (
            {"last_schedule_at": NOW - 3 * HOUR},
            [run(NOW - 3 * HOUR, COMPLETE)],
            (Health.DOWN, Reason.RUN_MISSED),
        ),
        # Its Job was deleted: how the run ended cannot be known, but by its CronJob.
        ({}, [], (Health.UNKNOWN, Reason.BLIND_WINDOW)),
        ({"last_success_at": NOW + MINUTE}, [], (Health.UP, Reason.ON_SCHEDULE)),
        # Created a week ago, and never run.
        ({"last_schedule_at": None}, [], (Health.DOWN, Reason.RUN_MISSED)),
        (
            {"last_schedule_at": None, "created_at": AT},
            [],
            (Health.NEW, Reason.NEVER_REPORTED),
        ),
        ({"suspend": True}, [run(NOW, FAILED)], (Health.PAUSED, Reason.PAUSED)),
        (
            {"schedule": "0 0 31 2 *"},
            [run(NOW, COMPLETE)],
            (Health.UNKNOWN, Reason.INVALID_SCHEDULE),
        ),
        # The controller's zone, or its schedule, is another one.
        (
            {"last_schedule_at": NOW + 7 * MINUTE},
            [run(NOW + 7 * MINUTE, COMPLETE)],
            (Health.UNKNOWN, Reason.SCHEDULE_MISMATCH),
        ),
        # Of an older schedule: what came after is judged by the one of today.
        (
            {},
            [run(NOW - 33 * MINUTE, COMPLETE), run(NOW, COMPLETE)],
            (Health.UP, Reason.ON_SCHEDULE),
        ),
    ],
)
async def test_what_runs_left_behind_tells_how_they_are_lately(
    known: dict[str, Any], jobs: list[Job], expected: tuple[Health, Reason]
) -> None:
    found = await the_only(Inventory(cron_jobs=[facts(**known)], jobs=jobs))
    assert found.lately is not None
    assert (found.lately.health, found.lately.reason) == expected
    assert found.at_first is not None
    assert found.at_first.health is not Health.DOWN, "installing alarms nobody"
    assert found.action is Action.CREATE


async def test_what_is_foretold_is_what_a_ledger_then_says() -> None:
    """The first day of a real ledger: the same verdict, deadline and next slot."""
    found = await the_only(Inventory(cron_jobs=[facts()], jobs=[run(NOW, FAILED)]))
    bench = Bench(AT)
    bench.ledger.see_cron_job(facts(), now=AT)
    entry = bench.watching("nightly")
    assert found.entry is not None
    assert (found.entry.state, found.entry.policy) == (entry.state, entry.policy)


def existing(name: str, spec: Object, **meta: Any) -> Sighting:
    return sighting_of(monitor_object(name, spec, **meta))


def ours() -> Sighting:
    made = monitor_for(facts())
    return sighting_of({**made, "metadata": metadata(**made["metadata"])})


async def test_what_becomes_of_monitors_that_exist() -> None:
    watching = {"cronJob": {"name": "nightly"}}
    cases = {
        Action.KEEP: (Inventory([facts()], monitors=[ours()]), "all"),
        Action.DELETE: (Inventory([facts()], monitors=[ours()]), "off"),
        Action.NONE: (Inventory([facts()]), "annotated"),
        Action.BLOCKED: (
            Inventory([facts()], monitors=[existing("nightly-cronjob", {"ping": {}})]),
            "all",
        ),
    }
    for expected, (stock, mode) in cases.items():
        [found] = (await foretold(stock, mode)).rehearsal.prospects
        assert found.action is expected
    theirs = Inventory([facts()], monitors=[existing("mine", watching), ours()])
    [found] = (await foretold(theirs)).rehearsal.prospects
    assert (found.action, found.wish.reason) == (Action.DELETE, "MonitoredByUser")
    assert found.entry is not None
    assert found.entry.key.name == "mine"


async def test_a_namespace_decides_as_it_does_for_the_operator() -> None:
    stock = Inventory([facts()], namespaces={"shop": {f"{PREFIX}monitor": "false"}})
    assert (await the_only(stock)).wish.reason == "OptedOut"
    [found] = (
        await foretold(Inventory([facts()]), excluded=("shop",))
    ).rehearsal.prospects
    assert found.wish.reason == "NamespaceExcluded"


def test_evidence_begins_with_the_oldest_slot_that_fits() -> None:
    table = Timetable(None, HOUR)
    known = facts(last_schedule_at=None)
    assert evidence_begins(known, set(), table, now=NOW) == known.created_at
    slots = {NOW - HOUR, NOW - 2 * HOUR}
    began_at = evidence_begins(facts(), slots, table, now=NOW)
    assert began_at == NOW - 2 * HOUR - timedelta(seconds=1)


TOLD = """\
NAMESPACE  CRONJOB  MONITORED  BECAUSE   ACTION  SCHEDULE   GRACE  NEXT DUE  AT FIRST  \
LATELY
shop       nightly  yes        Default   create  0 * * * *  5m     in 40m    New       \
Down
shop       out      no         OptedOut  -       0 * * * *

Look at these first: what their runs did lately:
  shop/nightly would be Down (RunFailed) had it been watched: The run failed: \
BackoffLimitExceeded

Not understood:
  Namespace shop: there is no annotation heartbeats.dev/grace; after heartbeats.dev/ \
come description, failure-threshold, grace-period, max-runtime, monitor, owner, \
runbook-url, severity
  CronJob shop/nightly: annotation heartbeats.dev/max-runtime of the CronJob: the \
longest unit is h: write 24h, not 1d
  CronJob shop/nightly: annotation heartbeats.dev/monitor is "yes"; write "true" or \
"false"

What would be written:
  HeartbeatMonitors: 1 created, 0 deleted; their definition is not installed
  Statuses: 2, at 50 a second in about 1 s
  Secrets with ping URLs: 1 (one for each ping monitor)
  CronJobs and Jobs: nothing, ever. By this command: nothing at all.

Not considered:
  You may not list jobs."""


def everything() -> Inventory:
    odd = ((f"{PREFIX}max-runtime", "1d"), (f"{PREFIX}monitor", "yes"))
    out = replace(facts(), name="out", uid="cj-out")
    return Inventory(
        [
            replace(out, annotations=((f"{PREFIX}monitor", "false"),)),
            facts(annotations=odd),
        ],
        [run(NOW, FAILED)],
        {"shop": {f"{PREFIX}grace": "1m"}},
        [existing("laptop", {"ping": {}, "interval": "1h"})],
        is_installed=False,
        unread=["You may not list jobs."],
    )


async def test_a_schedule_that_cannot_be_used_is_said_once() -> None:
    stock = Inventory([facts(schedule="0 0 31 2 *")], [run(NOW, COMPLETE)])
    said = [line for line in as_lines(await foretold(stock)) if "never fires" in line]
    schedule = 'The schedule "0 0 31 2 *" never fires: no such day exists.'
    assert said == [f"  CronJob shop/nightly: {schedule}"]


async def test_it_is_told_to_a_person() -> None:
    found = sorted(as_lines(await foretold(everything())))
    assert found == sorted(TOLD.splitlines())


async def test_it_is_told_to_a_program() -> None:
    found = as_object(await foretold(everything()))
    nightly, out = found["cronJobs"]
    assert nightly["effective"]["origins"] == {
        "schedule": "CronJob",
        "timeZone": "--cluster-time-zone",
    }
    assert (nightly["nextDue"], nightly["deadline"]) == (
        "2026-11-21T13:00:00Z",
        "2026-11-21T13:05:00Z",
    )
    assert nightly["lately"]["state"] == "Down"
    assert out == {
        "namespace": "shop",
        "name": "out",
        "monitored": False,
        "because": "OptedOut",
        "action": None,
    }
    assert found["writes"] == {
        "monitorsCreated": 1,
        "monitorsDeleted": 0,
        "statuses": 2,
        "secrets": 1,
    }
    assert found["pingMonitors"] == ["shop/laptop"]
    assert found["notConsidered"] == ["You may not list jobs."]


async def test_wide_tells_where_values_come_from() -> None:
    header, row, *_ = as_lines(await foretold(Inventory([facts()])), wide=True)
    assert header.split("LATELY")[1].split() == (
        ["MONITOR", "TIME", "ZONE", "GRACE", "FROM", "MAX", "RUNTIME", "DEADLINE"]
    )
    cells = [cell.strip() for cell in row.split("  ") if cell]
    assert cells[-5:] == [
        *("nightly-cronjob", "UTC (from: --cluster-time-zone)", "built in"),
        *("none set", "2026-11-21T13:05:00Z"),
    ]


@pytest.mark.parametrize("name", sorted(ANNOTATIONS - {f"{PREFIX}monitor"}))
def test_every_annotation_that_is_known_is_read(name: str) -> None:
    bench = Bench(AT)
    texts = {"failure-threshold": "3", "grace-period": "9m", "max-runtime": "9m"}
    value = texts.get(name.removeprefix(PREFIX), "https://example.org")
    bench.cron_job("nightly", annotations=((name, value),))
    origins = dict(bench.watching("nightly").policy.origins)
    assert "annotation on the CronJob" in origins.values()


STATUSES = {"complete": COMPLETE, "failed": FAILED}


def watched(history: tuple[str, ...], slots: list[datetime]) -> Verdict:
    """Return what a ledger says that has seen every run as it came."""
    began_at = slots[0] - MINUTE
    bench = Bench(began_at)
    uid = bench.cron_job("nightly", schedule="0 * * * *", created_at=began_at)
    entry = bench.watching("nightly")
    for slot_at, outcome in zip(slots, history, strict=True):
        if outcome not in STATUSES:
            continue
        for at, status in ((slot_at, RUNNING), (slot_at + MINUTE, STATUSES[outcome])):
            bench.turn(at)
            said = report(run(slot_at, status))
            assert said is not None
            bench.ledger.check_in_run(uid, said, now=at)
    bench.turn(AT)
    return verdict(entry.state, entry.policy, now=AT)


@pytest.mark.parametrize(
    "history",
    [
        history
        for history in product(("complete", "failed", "none"), repeat=4)
        if history[0] != "none"
    ],
)
async def test_lately_is_what_is_said_where_every_run_was_watched(
    history: tuple[str, ...],
) -> None:
    """As long as no Job was deleted, nothing is lost by having been away."""
    slots = [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR, NOW]
    jobs = [
        run(slot_at, STATUSES[outcome])
        for slot_at, outcome in zip(slots, history, strict=True)
        if outcome in STATUSES
    ]
    newest = max(
        slot_at
        for slot_at, outcome in zip(slots, history, strict=True)
        if outcome in STATUSES
    )
    found = await the_only(Inventory([facts(last_schedule_at=newest)], jobs))
    expected = watched(history, slots)
    assert found.lately is not None
    assert (found.lately.health, found.lately.reason) == (
        *(expected.health, expected.reason),
    )
