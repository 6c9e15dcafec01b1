"""URLs in Secrets: written only behind the policy, and as the keys say."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from heartbeats.core.model import MonitorKey, Source, Spec
from heartbeats.core.tokens import Key, is_ours, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.ping_urls import (
    LABELS,
    POLICY,
    POLICY_DIGEST,
    RECHECK_SECONDS,
    Guard,
    PingUrls,
    policy_digest,
    url_of,
)
from heartbeats.edges.kube.resources import (
    ADMISSION_POLICIES,
    ADMISSION_POLICY_BINDINGS,
    SECRETS,
)
from heartbeats.ledger import Entry
from support.builders import NOW, MemoryApi, Object, entry

RIGHTS = Path(__file__).parents[3] / "manifests" / "rights"
SYSTEM = "heartbeats-system"
URL = "https://ping.example"
FIRST, SECOND = Key.of(b"first " * 6), Key.of(b"second" * 6)
SHIPPED = [
    yaml.safe_load((RIGHTS / name).read_text())
    for name in ("ping-secrets-policy.yaml", "ping-secrets-policy-binding.yaml")
]


class LoopClock:
    """The event loop's time, which looptime turns."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def moved(manifest: Object, namespace: str) -> Object:
    """Adapt a manifest to another namespace, as a kustomization does."""
    text = yaml.safe_dump(manifest, width=10_000)
    moved_: Object = yaml.safe_load(text.replace(SYSTEM, namespace))
    return moved_


def install(api: MemoryApi, policy: Object, binding: Object) -> None:
    api.put(ADMISSION_POLICIES, policy)
    api.put(ADMISSION_POLICY_BINDINGS, binding)


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    api.clock = LoopClock()
    install(api, *SHIPPED)
    return api


# The guard


def test_the_digest_is_that_of_the_shipped_manifests() -> None:
    policy, binding = SHIPPED
    assert policy_digest(policy["spec"], binding["spec"]) == POLICY_DIGEST


async def test_the_shipped_policy_is_trusted(api: MemoryApi) -> None:
    assert await Guard(api, SYSTEM).problem() is None
    assert {sent.method for sent in api.sent} == {"GET"}


async def test_the_policy_may_be_moved_to_our_own_namespace(api: MemoryApi) -> None:
    install(api, *(moved(manifest, "prod") for manifest in SHIPPED))
    assert await Guard(api, "prod").problem() is None


@pytest.mark.parametrize("own", ["prod", "url", "heartbeats"])
async def test_a_policy_for_another_account_guards_nothing(
    api: MemoryApi, own: str
) -> None:
    assert await Guard(api, own).problem() is not None


async def test_a_policy_moved_by_half_guards_nothing(api: MemoryApi) -> None:
    policy, binding = SHIPPED
    half = moved(policy, "prod")
    half["spec"]["matchConditions"] = policy["spec"]["matchConditions"]
    install(api, half, binding)
    assert await Guard(api, "prod").problem() is not None
    install(api, moved(policy, "prod"), binding)
    assert await Guard(api, SYSTEM).problem() is not None


def weaker() -> list[tuple[Object, Object]]:
    """Make policies that somebody changed."""
    found = []
    for change in (
        {"failurePolicy": "Ignore"},
        {"validations": SHIPPED[0]["spec"]["validations"][1:]},
        {"matchConditions": [{"name": "never", "expression": "false"}]},
    ):
        spec = {**SHIPPED[0]["spec"], **change}
        found.append(({**SHIPPED[0], "spec": spec}, SHIPPED[1]))
    for change in ({"validationActions": ["Warn"]}, {"policyName": "other"}):
        spec = {**SHIPPED[1]["spec"], **change}
        found.append((SHIPPED[0], {**SHIPPED[1], "spec": spec}))
    return found


@pytest.mark.parametrize("manifests", weaker())
async def test_a_changed_policy_or_binding_is_a_problem_with_a_way_out(
    api: MemoryApi, manifests: tuple[Object, Object]
) -> None:
    install(api, *manifests)
    problem = await Guard(api, SYSTEM).problem()
    assert problem is not None
    assert "apply manifests/base again" in problem
    assert "--no-ping-secrets" in problem


@pytest.mark.parametrize(
    "error", [errors.NotFound("not found"), errors.Forbidden("no right")]
)
async def test_a_policy_that_cannot_be_read_is_a_problem(
    api: MemoryApi, error: errors.ApiError
) -> None:
    api.refuse("GET", error, path="bindings")
    problem = await Guard(api, SYSTEM).problem()
    assert problem == f"the admission policy {POLICY} cannot be read: {error.message}"


# The URLs


def pinged(name: str = "backup", **spec: int) -> Entry:
    return entry(name, spec=Spec(source=Source.PING, **spec))  # type: ignore[arg-type]


def test_the_url_holds_the_token_of_the_newest_version() -> None:
    monitor = pinged(token_version=3, min_token_version=1)
    token = mint(FIRST, MonitorKey("shop", "backup"), 3)
    assert url_of("https://ping.example/", FIRST, monitor) == f"{URL}/ping/{token}"
    assert is_ours([FIRST], token)


@asynccontextmanager
async def delivering(
    api: MemoryApi, *, guarded: bool = True, keys: tuple[Key, ...] = (FIRST,)
) -> AsyncIterator[PingUrls]:
    urls = PingUrls(api, Guard(api, SYSTEM) if guarded else None, URL)
    urls.use(keys)
    task = asyncio.create_task(urls.run())
    try:
        yield urls
        assert not task.done(), "the delivery ended"
    finally:
        task.cancel()
        await asyncio.wait([task])


def delivered(api: MemoryApi, name: str = "backup") -> str:
    data = api.held(SECRETS, f"{name}-ping")["data"]
    assert data.keys() == {"url"}
    return base64.b64decode(data["url"]).decode()


def secrets(api: MemoryApi) -> list[str]:
    return [path for path in api.objects if "/secrets/" in path]


@pytest.mark.looptime
async def test_a_secret_is_what_the_policy_lets_through(api: MemoryApi) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    [sent] = api.of("POST")
    assert sent.path == "/api/v1/namespaces/shop/secrets"
    assert sent.body["metadata"] == {
        "name": "backup-ping",
        "namespace": "shop",
        "labels": LABELS,
        "ownerReferences": [
            {
                "apiVersion": "heartbeats.dev/v1alpha1",
                "kind": "HeartbeatMonitor",
                "name": "backup",
                "uid": "uid-shop-backup",
            }
        ],
    }
    assert (sent.body["type"], list(sent.body["data"])) == ("Opaque", ["url"])
    assert sent.body.keys() == {"apiVersion", "kind", "metadata", "type", "data"}
    assert delivered(api) == url_of(URL, FIRST, pinged())


@pytest.mark.looptime
async def test_the_policy_is_read_before_the_first_secret(api: MemoryApi) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    assert [sent.method for sent in api.sent] == ["GET", "GET", "POST"]


@pytest.mark.looptime
async def test_an_older_secret_is_overwritten_and_never_patched(
    api: MemoryApi,
) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    async with delivering(api, keys=(SECOND, FIRST)) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    assert delivered(api) == url_of(URL, SECOND, pinged())
    [put] = api.of("PUT")
    assert put.path == "/api/v1/namespaces/shop/secrets/backup-ping"
    assert api.of("PATCH") == []


@pytest.mark.looptime
async def test_a_url_is_delivered_once(api: MemoryApi) -> None:
    async with delivering(api) as urls:
        for _ in range(3):
            urls.mark(pinged())
            await asyncio.sleep(30)
    assert (len(api.of("POST")), len(api.of("PUT"))) == (1, 0)


@pytest.mark.looptime
async def test_a_new_key_and_a_new_version_are_delivered(api: MemoryApi) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
        urls.use((SECOND, FIRST))
        urls.mark(pinged())
        await asyncio.sleep(1)
        assert delivered(api) == url_of(URL, SECOND, pinged())
        urls.mark(pinged(token_version=2))
        await asyncio.sleep(1)
    assert delivered(api) == url_of(URL, SECOND, pinged(token_version=2))


@pytest.mark.looptime
async def test_it_tells_which_key_signed_what_was_really_delivered(
    api: MemoryApi,
) -> None:
    told: list[tuple[str, str]] = []
    api.refuse("POST", errors.Forbidden("exceeded quota"))
    async with delivering(api) as urls:
        urls.on_delivered = lambda uid, key_id: told.append((uid, key_id))
        assert urls.delivers
        urls.mark(pinged())
        await asyncio.sleep(1)
        assert told == []
        await asyncio.sleep(RECHECK_SECONDS)
        urls.use((SECOND, FIRST))
        urls.mark(pinged())
        await asyncio.sleep(1)
    uid = pinged().uid
    assert told == [(uid, FIRST.id), (uid, SECOND.id)]


@pytest.mark.looptime
async def test_only_pings_that_stay_get_a_secret(api: MemoryApi) -> None:
    async with delivering(api) as urls:
        urls.mark(entry(spec=Spec(source=Source.CRON_JOB, cron_job_name="nightly")))
        urls.mark(entry(spec=Spec(source=Source.PING), deleting=True))
        await asyncio.sleep(1)
    assert api.sent == []


@pytest.mark.looptime
async def test_without_keys_nothing_is_written(api: MemoryApi) -> None:
    async with delivering(api, keys=()) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    assert api.sent == []


@pytest.mark.looptime
async def test_when_switched_off_nothing_is_read_or_written(api: MemoryApi) -> None:
    async with delivering(api, guarded=False) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
    assert api.sent == []


@pytest.mark.looptime
async def test_a_forgotten_monitor_that_comes_back_gets_its_url_again(
    api: MemoryApi,
) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(1)
        api.objects = {p: o for p, o in api.objects.items() if "/secrets/" not in p}
        urls.forget(pinged().uid)
        urls.mark(pinged())
        await asyncio.sleep(1)
    assert delivered(api) == url_of(URL, FIRST, pinged())


# What stands in the way


@pytest.mark.looptime
async def test_behind_a_changed_policy_nothing_is_written_until_it_is_right(
    api: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    install(api, *weaker()[0])
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(10 * RECHECK_SECONDS)
        assert secrets(api) == []
        assert {sent.method for sent in api.sent} == {"GET"}
        install(api, *SHIPPED)
        await asyncio.sleep(2 * RECHECK_SECONDS)
    assert delivered(api) == url_of(URL, FIRST, pinged())
    assert caplog.text.count("No ping Secrets are written") == 1


@pytest.mark.looptime
async def test_a_policy_that_breaks_again_is_told_again(
    api: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    async with delivering(api) as urls:
        for version in (1, 2):
            install(api, *weaker()[0])
            urls.mark(pinged(token_version=version))
            await asyncio.sleep(3 * RECHECK_SECONDS)
            install(api, *SHIPPED)
            await asyncio.sleep(3 * RECHECK_SECONDS)
            assert delivered(api) == url_of(URL, FIRST, pinged(token_version=version))
    assert caplog.text.count("No ping Secrets are written") == 2


@pytest.mark.looptime
async def test_a_policy_that_was_right_is_not_trusted_for_ever(
    api: MemoryApi,
) -> None:
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(RECHECK_SECONDS)
        install(api, *weaker()[0])
        urls.mark(pinged("other"))
        await asyncio.sleep(RECHECK_SECONDS)
    assert len(secrets(api)) == 1


@pytest.mark.looptime
async def test_a_monitor_waits_once_however_often_it_changes(api: MemoryApi) -> None:
    install(api, *weaker()[0])
    async with delivering(api) as urls:
        for _ in range(1_000):
            urls.mark(pinged())
        await asyncio.sleep(1)
        for _ in range(1_000):
            urls.mark(pinged())
        assert urls._queue.qsize() <= 1


@pytest.mark.looptime
async def test_a_secret_that_goes_before_it_is_overwritten_is_created(
    api: MemoryApi,
) -> None:
    """The Secret of a monitor that was replaced is about to be collected."""
    api.refuse("POST", errors.AlreadyExists("still there"))
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(2 * RECHECK_SECONDS)
    assert delivered(api) == url_of(URL, FIRST, pinged())


@pytest.mark.looptime
@pytest.mark.parametrize(
    "error",
    [
        errors.Unreachable("no answer"),
        errors.TooManyRequests("busy"),
        errors.Forbidden("exceeded quota: secrets=10"),
    ],
)
async def test_what_is_refused_for_now_is_delivered_later(
    api: MemoryApi, caplog: pytest.LogCaptureFixture, error: errors.ApiError
) -> None:
    api.refuse("POST", error)
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(2 * RECHECK_SECONDS)
    assert delivered(api) == url_of(URL, FIRST, pinged())
    assert caplog.text.count(error.message) == 1


@pytest.mark.looptime
async def test_one_refused_secret_does_not_hold_up_the_others(api: MemoryApi) -> None:
    api.refuse("POST", errors.Forbidden("exceeded quota"))
    async with delivering(api) as urls:
        urls.mark(pinged())
        urls.mark(pinged("other"))
        await asyncio.sleep(0.5)
        assert delivered(api, "other")


@pytest.mark.looptime
async def test_a_monitor_deleted_while_its_secret_waits_gets_none(
    api: MemoryApi,
) -> None:
    api.refuse("POST", errors.Unreachable("no answer"))
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(0.5)
        urls.forget(pinged().uid)
        await asyncio.sleep(3 * RECHECK_SECONDS)
    assert secrets(api) == []


@pytest.mark.looptime
async def test_a_namespace_that_is_gone_ends_the_matter(api: MemoryApi) -> None:
    api.refuse("POST", errors.NotFound("namespaces shop not found"))
    async with delivering(api) as urls:
        urls.mark(pinged())
        await asyncio.sleep(10 * RECHECK_SECONDS)
    assert len(api.of("POST")) == 1


@pytest.mark.looptime
async def test_no_token_reaches_a_log(
    api: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    install(api, *weaker()[0])
    api.refuse("POST", errors.Forbidden("refused"))
    api.refuse("PUT", errors.Unreachable("cut"), too_late=True)
    async with delivering(api) as urls:
        for key in (FIRST, SECOND):
            urls.use((key,))
            urls.mark(pinged())
            await asyncio.sleep(2 * RECHECK_SECONDS)
            install(api, *SHIPPED)
            await asyncio.sleep(4 * RECHECK_SECONDS)
    assert len(caplog.records) >= 2
    said = "\n".join(str(vars(record)) for record in caplog.records) + caplog.text
    for key in (FIRST, SECOND):
        token = mint(key, pinged().key, 1)
        assert token not in said
        assert (
            base64.b64encode(url_of(URL, key, pinged()).encode()).decode() not in said
        )
