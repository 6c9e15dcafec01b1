"""Where a monitor's URL is found, and what is said when it is not."""

import base64
import re

import pytest

from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.monitor_urls import MonitorUrls, NoUrlError
from heartbeats.edges.kube.ping_urls import LABELS
from heartbeats.edges.kube.resources import MONITORS, SECRETS
from heartbeats.edges.kube.signing import KEY_SECRET
from support.builders import MemoryApi

SYSTEM = "heartbeats-system"
MONITOR = MonitorKey("shop", "nightly")
SECRET = b"first " * 6
DELIVERED = "https://pings.example.org/ping/6f0c1f0e-0000-8000-8000-000000000000"
FORBIDDEN = errors.Forbidden("no right", code=403)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def add_monitor(api: MemoryApi, **spec: object) -> None:
    meta = {"name": "nightly", "namespace": "shop"}
    api.put(MONITORS, {"metadata": meta, "spec": spec or {"ping": {}}})


def deliver(api: MemoryApi, url: str = DELIVERED, **labels: str) -> None:
    meta = {"name": "nightly-ping", "namespace": "shop", "labels": labels or LABELS}
    data = {"url": encoded(url.encode())}
    api.put(SECRETS, {"metadata": meta, "type": "Opaque", "data": data})


def supply_key(api: MemoryApi) -> None:
    meta = {"name": KEY_SECRET, "namespace": SYSTEM}
    data = {"current": encoded(SECRET)}
    api.put(SECRETS, {"metadata": meta, "type": "Opaque", "data": data})


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


async def find(api: MemoryApi, public_url: str | None = None) -> tuple[str, str]:
    found = await MonitorUrls(api, SYSTEM, public_url).find(MONITOR)
    return found.url, found.remark


async def why(api: MemoryApi) -> str:
    with pytest.raises(NoUrlError) as caught:
        await find(api)
    return str(caught.value)


async def test_the_delivered_url_is_told_without_reading_the_key(
    api: MemoryApi,
) -> None:
    add_monitor(api)
    deliver(api)
    assert await find(api) == (DELIVERED, "")
    assert not api.of("GET", KEY_SECRET)


async def test_a_public_url_replaces_where_it_leads(api: MemoryApi) -> None:
    add_monitor(api)
    deliver(api)
    url, _ = await find(api, "http://127.0.0.1:8080/")
    assert url == f"http://127.0.0.1:8080/ping/{DELIVERED.rpartition('/')[2]}"


@pytest.mark.parametrize("version", [1, 7])
async def test_without_delivery_it_is_computed(api: MemoryApi, version: int) -> None:
    add_monitor(api, ping={"tokenVersion": version})
    supply_key(api)
    token = mint(Key.of(SECRET), MONITOR, version)
    url, remark = await find(api)
    assert url == f"http://heartbeats-ping.{SYSTEM}.svc:8080/ping/{token}"
    assert "--public-url" in remark
    assert await find(api, "https://p/") == (f"https://p/ping/{token}", "")


async def test_a_delivery_that_may_not_be_read_is_computed(api: MemoryApi) -> None:
    add_monitor(api)
    deliver(api)
    supply_key(api)
    api.refuse("GET", FORBIDDEN, path="nightly-ping")
    assert mint(Key.of(SECRET), MONITOR, 1) in (await find(api))[0]


@pytest.mark.parametrize("form", ["not base64", "other labels", "no url"])
async def test_a_secret_of_somebody_else_is_not_told(api: MemoryApi, form: str) -> None:
    add_monitor(api)
    supply_key(api)
    deliver(api, **({"team": "mine"} if form == "other labels" else {}))
    data = {"not base64": {"url": "%"}, "no url": {"password": "eA=="}}
    secret = api.held(SECRETS, "nightly-ping")
    api.put(SECRETS, secret | {"data": data.get(form, secret["data"])})
    assert mint(Key.of(SECRET), MONITOR, 1) in (await find(api))[0]


async def test_no_such_monitor(api: MemoryApi) -> None:
    text = await why(api)
    assert "no HeartbeatMonitor shop/nightly" in text
    assert "kubectl get hbm -A" in text


async def test_no_such_kind(api: MemoryApi) -> None:
    message = "the server could not find the requested resource"
    api.refuse("GET", errors.NotFound(message, code=404))
    assert "kubectl apply" in await why(api)


async def test_a_monitor_of_a_cron_job_has_no_url(api: MemoryApi) -> None:
    add_monitor(api, cronJob={"name": "backup"})
    text = await why(api)
    assert "no ping monitor" in text
    assert "CronJob backup" in text


async def test_the_right_on_the_monitor_is_named(api: MemoryApi) -> None:
    add_monitor(api)
    api.refuse("GET", FORBIDDEN)
    text = await why(api)
    assert "`get` on heartbeatmonitors.heartbeats.dev in namespace shop" in text
    assert "heartbeats-view" in text


async def test_each_missing_right_is_named(api: MemoryApi) -> None:
    add_monitor(api)
    api.refuse("GET", FORBIDDEN, path="secrets", times=2)
    text = await why(api)
    assert "`get` on Secret shop/nightly-ping, or" in text
    assert f"`get` on Secret {SYSTEM}/{KEY_SECRET}." in text


async def test_a_right_that_would_not_help_is_not_asked_for(api: MemoryApi) -> None:
    add_monitor(api)
    api.refuse("GET", FORBIDDEN, path=KEY_SECRET)
    text = await why(api)
    assert text.startswith("There is no Secret shop/nightly-ping")
    assert re.findall("`get` on Secret ([^ .]+)", text) == [f"{SYSTEM}/{KEY_SECRET}"]


async def test_no_key_is_a_question_about_the_operator(api: MemoryApi) -> None:
    add_monitor(api)
    text = await why(api)
    assert "--operator-namespace" in text
    assert "right" not in text
    api.refuse("GET", FORBIDDEN, path="nightly-ping")
    assert (await why(api)).endswith("the right `get` on Secret shop/nightly-ping.")
