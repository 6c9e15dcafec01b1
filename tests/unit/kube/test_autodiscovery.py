"""Which CronJobs get a monitor of ours, what it looks like, and when it goes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from heartbeats.core.model import CronJobFacts, Source, Spec, Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.autodiscovery import Autodiscovery, monitor_for
from heartbeats.edges.kube.jobs import facts_of
from heartbeats.edges.kube.monitors import sighting_of
from heartbeats.edges.kube.resources import EVENTS, MONITORS
from heartbeats.edges.kube.wishes import AutoMonitor, Wish, is_ours, wish_for
from heartbeats.ledger import Entry
from support.builders import NOW, MemoryApi, Object, cron_job, entry, metadata
from support.ledgers import Bench

FACTS = facts_of(cron_job())
ALL, ANNOTATED, OFF = AutoMonitor
QUOTA = errors.Forbidden("exceeded quota: count/heartbeatmonitors=3", code=403)
TERMINATING = errors.Forbidden(
    "namespace shop is being terminated",
    code=403,
    causes=(errors.Cause(reason="NamespaceTerminating"),),
)


def annotated(value: str) -> CronJobFacts:
    return replace(FACTS, annotations=(("heartbeats.dev/monitor", value),))


def ours(owner_uid: str = FACTS.uid, label: str = "heartbeats") -> Entry:
    """Make a monitor as it was created here, unless something differs."""
    return entry(
        "nightly-cronjob",
        spec=Spec(source=Source.CRON_JOB, cron_job_name="nightly"),
        owner_uid=Uid(owner_uid),
        labels=(("app.kubernetes.io/managed-by", label),),
    )


THEIRS = entry("mine", spec=Spec(source=Source.CRON_JOB, cron_job_name="nightly"))


@pytest.mark.parametrize(
    ("said", "namespace_says", "mode", "expected"),
    [
        (None, None, ALL, Wish(True, "Default")),
        (None, None, ANNOTATED, Wish(False, "NotAnnotated")),
        (None, None, OFF, Wish(False, "AutoMonitorOff")),
        ("true", None, ALL, Wish(True, "OptedIn")),
        ("true", None, ANNOTATED, Wish(True, "OptedIn")),
        ("true", None, OFF, Wish(False, "AutoMonitorOff")),
        ("false", None, ALL, Wish(False, "OptedOut")),
        ("false", None, ANNOTATED, Wish(False, "OptedOut")),
        (None, "false", ALL, Wish(False, "OptedOut")),
        (None, "true", ANNOTATED, Wish(True, "OptedIn")),
        ("true", "false", ALL, Wish(True, "OptedIn")),
        ("false", "true", ALL, Wish(False, "OptedOut")),
        ("yes please", None, ALL, Wish(True, "Default")),
        ("yes please", None, ANNOTATED, Wish(False, "NotAnnotated")),
        (None, "nonsense", ALL, Wish(True, "Default")),
    ],
)
def test_the_cronjob_decides_then_its_namespace_then_the_flag(
    said: str | None, namespace_says: str | None, mode: AutoMonitor, expected: Wish
) -> None:
    facts = FACTS if said is None else annotated(said)
    assert wish_for(facts, mode, namespace_says, []) == expected
    assert wish_for(facts, mode, namespace_says, [ours()]) == expected


@pytest.mark.parametrize("mode", AutoMonitor)
@pytest.mark.parametrize("said", ["true", "false"])
def test_a_monitor_that_a_user_wrote_ends_the_question(
    mode: AutoMonitor, said: str
) -> None:
    found = wish_for(annotated(said), mode, None, [ours(), THEIRS])
    assert found == Wish(False, "MonitoredByUser")


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        (ours(), True),
        (ours(owner_uid="cj-before"), False),
        (ours(label="helm"), False),
        (THEIRS, False),
    ],
)
def test_ours_is_what_was_made_here_for_this_very_cronjob(
    monitor: Entry, expected: bool
) -> None:
    assert is_ours(monitor, FACTS) is expected


def test_our_monitor_is_owned_by_the_cronjob_and_says_nothing_of_policy() -> None:
    body = monitor_for(replace(FACTS, labels=(("team", "a"),)))
    assert (body["apiVersion"], body["kind"]) == (
        *("heartbeats.dev/v1alpha1", "HeartbeatMonitor"),
    )
    meta = body["metadata"]
    assert (meta["name"], meta["namespace"]) == ("nightly-cronjob", "shop")
    assert meta["labels"]["app.kubernetes.io/managed-by"] == "heartbeats"
    assert "team" not in meta["labels"]
    assert meta["annotations"] == {"argocd.argoproj.io/ignore-resource-updates": "true"}
    [owner] = meta["ownerReferences"]
    assert owner == {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": "nightly",
        "uid": FACTS.uid,
        "controller": True,
    }, "no blockOwnerDeletion: it would need a right on the CronJob's finalizers"
    assert body["spec"] == {"cronJob": {"name": "nightly"}}


def test_what_it_makes_is_recognised_as_its_own() -> None:
    body = monitor_for(FACTS)
    meta = metadata("nightly-cronjob") | body["metadata"]
    seen = sighting_of({**body, "metadata": meta})
    known = Bench(NOW).monitor("nightly-cronjob", seen.spec)
    known.owner_uid, known.labels = seen.owner_uid, seen.labels
    assert is_ours(known, FACTS)


# At work


class Desk:
    """Autodiscovery over an API whose monitors reach the ledger."""

    def __init__(
        self, mode: AutoMonitor = ALL, excluded: frozenset[str] = frozenset()
    ) -> None:
        self.api = MemoryApi()
        self.bench = Bench(NOW)
        self.discovery = Autodiscovery(self.api, mode, excluded)
        self.discovery.attach(self.bench.ledger)

    def cron_job(self, name: str = "nightly", **fields: object) -> CronJobFacts:
        self.bench.cron_job(name, **fields)
        self.discovery.mark("shop", name)
        [facts] = [each for each in self.bench.ledger.sources if each.name == name]
        return facts

    def see_all(self) -> None:
        """Let the ledger see the monitors as the API has them now."""
        for body in self.monitors:
            seen = sighting_of(metadata_filled(body))
            self.bench.ledger.see_monitor(seen, now=NOW)

    @property
    def monitors(self) -> list[Object]:
        found = self.api.objects.items()
        return [body for path, body in found if "/heartbeatmonitors/" in path]

    @property
    def names(self) -> list[str]:
        return [body["metadata"]["name"] for body in self.monitors]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.discovery.run())
        try:
            yield
            assert not task.done(), "autodiscovery ended"
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def work(self, seconds: float = 1.0) -> None:
        async with self.running():
            await asyncio.sleep(seconds)


def metadata_filled(body: Object) -> Object:
    """Add what the API server adds by itself."""
    meta = metadata(body["metadata"]["name"]) | body["metadata"]
    return {**body, "metadata": meta}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.looptime
async def test_a_cronjob_gets_a_monitor_in_one_create(desk: Desk) -> None:
    facts = desk.cron_job()
    await desk.work()
    [sent] = desk.api.sent
    assert (sent.method, sent.path) == (
        *("POST", "/apis/heartbeats.dev/v1alpha1/namespaces/shop/heartbeatmonitors"),
    )
    assert sent.params == {"fieldManager": "heartbeats-auto"}
    assert sent.body == monitor_for(facts)


@pytest.mark.looptime
async def test_what_is_as_wished_is_left_alone(desk: Desk) -> None:
    desk.cron_job()
    await desk.work()
    desk.see_all()
    desk.discovery.mark_all()
    await desk.work()
    assert len(desk.api.sent) == 1


@pytest.mark.looptime
async def test_opting_out_removes_ours_and_no_other_of_the_name(desk: Desk) -> None:
    desk.cron_job()
    await desk.work()
    desk.see_all()
    uid = desk.monitors[0]["metadata"]["uid"]
    desk.cron_job(annotations=(("heartbeats.dev/monitor", "false"),))
    await desk.work()
    [sent] = desk.api.of("DELETE")
    assert sent.body == {"preconditions": {"uid": uid}}
    assert desk.names == []


@pytest.mark.looptime
async def test_a_users_monitor_removes_ours(desk: Desk) -> None:
    desk.cron_job()
    await desk.work()
    desk.see_all()
    desk.bench.monitor("mine", Spec(source=Source.CRON_JOB, cron_job_name="nightly"))
    desk.discovery.mark("shop", "nightly")
    await desk.work()
    assert desk.names == []
    assert [sent.path.rpartition("/")[2] for sent in desk.api.of("DELETE")] == [
        "nightly-cronjob"
    ]


@pytest.mark.looptime
async def test_a_users_monitor_that_goes_brings_ours_back(desk: Desk) -> None:
    theirs = Spec(source=Source.CRON_JOB, cron_job_name="nightly")
    mine = desk.bench.monitor("mine", theirs)
    desk.cron_job()
    await desk.work()
    assert desk.names == []
    desk.bench.ledger.lose_monitor(mine.uid)
    desk.discovery.mark("shop", "nightly")
    await desk.work()
    assert desk.names == ["nightly-cronjob"]


@pytest.mark.looptime
async def test_a_recreated_cronjob_waits_for_the_old_monitor_to_be_collected(
    desk: Desk,
) -> None:
    desk.cron_job(uid="cj-before")
    await desk.work()
    desk.see_all()
    [before] = desk.bench.ledger
    desk.cron_job(uid="cj-after")
    await desk.work()
    assert len(desk.monitors) == 1, "neither deleted nor doubled by us"
    desk.api.objects.clear()
    desk.bench.ledger.lose_monitor(before.uid)
    desk.discovery.mark("shop", "nightly")
    await desk.work()
    [owner] = desk.monitors[0]["metadata"]["ownerReferences"]
    assert owner["uid"] == "cj-after"


@pytest.mark.looptime
async def test_the_namespace_speaks_for_its_cronjobs(desk: Desk) -> None:
    says = {"heartbeats.dev/monitor": "false"}
    desk.bench.ledger.see_namespace("shop", says, now=NOW)
    desk.cron_job()
    await desk.work()
    assert desk.api.sent == []


@pytest.mark.looptime
async def test_an_excluded_namespace_is_left_alone() -> None:
    desk = Desk(excluded=frozenset({"shop"}))
    desk.cron_job(annotations=(("heartbeats.dev/monitor", "true"),))
    await desk.work()
    assert desk.api.sent == []
    assert desk.discovery.census() == Counter({(False, "NamespaceExcluded"): 1})


@pytest.mark.looptime
async def test_a_cronjob_that_is_gone_needs_nothing(desk: Desk) -> None:
    facts = desk.cron_job()
    desk.bench.ledger.lose_cron_job(facts, now=NOW)
    await desk.work()
    assert desk.api.sent == []


@pytest.mark.looptime
async def test_before_the_ledger_is_open_nothing_is_done() -> None:
    desk = Desk()
    desk.bench = Bench(NOW, is_open=False)
    desk.discovery.attach(desk.bench.ledger)
    desk.cron_job()
    assert desk.discovery._queue.empty(), "who waits for weeks remembers nothing"
    await desk.work()
    assert desk.api.sent == []
    desk.bench.ledger.open(now=NOW)
    desk.discovery.mark_all()
    await desk.work()
    assert desk.names == ["nightly-cronjob"]


@pytest.mark.looptime
@pytest.mark.parametrize(
    "error", [errors.AlreadyExists("taken", code=409), TERMINATING]
)
async def test_what_settles_itself_is_not_tried_again(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: errors.ApiError
) -> None:
    desk.api.refuse("POST", error)
    desk.cron_job()
    await desk.work(seconds=3600)
    assert len(desk.api.sent) == 1
    assert caplog.records == []


@pytest.mark.looptime
@pytest.mark.parametrize(
    "error",
    [
        QUOTA,
        errors.Unreachable("cut"),
        errors.TooManyRequests("busy"),
        errors.NotFound("the definition is gone, or the namespace is", code=404),
    ],
)
async def test_what_is_refused_for_now_is_tried_again(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: errors.ApiError
) -> None:
    desk.api.refuse("POST", error, path="/heartbeatmonitors", times=3)
    desk.cron_job()
    await desk.work(seconds=600)
    assert desk.names == ["nightly-cronjob"]
    assert len(desk.api.of("POST", "/heartbeatmonitors")) == 4
    assert caplog.text.count("is not monitored yet") == 1


@pytest.mark.looptime
async def test_a_missing_definition_is_told(desk: Desk) -> None:
    missing: list[bool] = []
    desk.discovery.on_missing = lambda: missing.append(True)
    gone = errors.NotFound("the server could not find the resource", code=404)
    desk.api.refuse("POST", gone)
    desk.cron_job()
    await desk.work()
    assert missing == [True]


@pytest.mark.looptime
async def test_tries_become_rare_and_never_end(desk: Desk) -> None:
    desk.api.refuse("POST", QUOTA, path="/heartbeatmonitors", times=10_000)
    desk.cron_job()
    await desk.work(seconds=24 * 3600)
    tries = [sent.at for sent in desk.api.of("POST", "/heartbeatmonitors")]
    assert tries[1] - tries[0] <= 10
    assert 100 <= tries[-1] - tries[-2] <= 600
    assert tries[-1] > 23 * 3600


@pytest.mark.looptime
async def test_a_quota_is_told_to_the_cronjobs_owner(desk: Desk) -> None:
    desk.api.refuse("POST", QUOTA, path="/heartbeatmonitors", times=2)
    facts = desk.cron_job()
    await desk.work(seconds=600)
    [event] = [o for path, o in desk.api.objects.items() if "/events/" in path]
    assert (event["type"], event["reason"]) == ("Warning", "MonitorNotCreated")
    assert event["regarding"]["uid"] == facts.uid
    assert "exceeded quota" in event["note"]
    assert event["apiVersion"] == EVENTS.api_version


@pytest.mark.looptime
async def test_one_refused_cronjob_does_not_hold_up_the_others(desk: Desk) -> None:
    desk.api.refuse("POST", QUOTA, path="/heartbeatmonitors")
    for name in ("refused", "other", "third"):
        desk.cron_job(name)
    await desk.work(seconds=0.5)
    assert desk.names == ["other-cronjob", "third-cronjob"]


@pytest.mark.looptime
@pytest.mark.parametrize("error", [errors.NotFound("gone"), errors.Conflict("other")])
async def test_a_monitor_that_is_gone_already_need_not_be_deleted(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: errors.ApiError
) -> None:
    desk.cron_job()
    await desk.work()
    desk.see_all()
    desk.api.refuse("DELETE", error)
    desk.cron_job(annotations=(("heartbeats.dev/monitor", "false"),))
    await desk.work(seconds=600)
    assert len(desk.api.of("DELETE")) == 1
    assert caplog.records == []


@pytest.mark.looptime
async def test_many_marks_are_one_look(desk: Desk) -> None:
    for _ in range(100):
        desk.cron_job()
    assert desk.discovery._queue.qsize() == 1
    await desk.work()
    assert len(desk.api.sent) == 1


def test_every_cronjob_is_counted_with_the_reason(desk: Desk) -> None:
    desk.cron_job("a")
    desk.cron_job("b")
    desk.cron_job("out", annotations=(("heartbeats.dev/monitor", "false"),))
    desk.cron_job("mine")
    desk.bench.watching("mine")
    assert desk.discovery.census() == Counter(
        {(True, "Default"): 2, (False, "OptedOut"): 1, (True, "MonitoredByUser"): 1}
    )
    assert MONITORS.plural == "heartbeatmonitors"
