"""kopf's part: one handler that writes nothing, and what it relies on in kopf."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf
import pytest
from kopf._cogs.clients import api, patching
from kopf._cogs.structs.ephemera import Memo
from kopf._core.actions import lifecycles
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.intents.causes import Activity
from kopf._core.reactor.inventory import ResourceMemories
from kopf._core.reactor.processing import process_resource_event

from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.handlers import NullDiffBase, registry, settings
from heartbeats.edges.kube.resources import GROUP, MONITORS, VERSION
from support.builders import monitor_object

CREDENTIALS = Credentials(server="http://127.0.0.1:1", namespace="ours")
RESOURCE = kopf.Resource(
    group=GROUP,
    version=VERSION,
    plural=MONITORS.plural,
    kind="HeartbeatMonitor",
    namespaced=True,
)


class Ear:
    """Hears what the handler passes on."""

    def __init__(self) -> None:
        self.heard: list[tuple[str | None, Mapping[str, Any]]] = []

    def __call__(self, kind: str | None, body: Mapping[str, Any]) -> None:
        self.heard.append((kind, body))


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what kopf would have written to objects."""
    written: list[Any] = []

    async def patch_obj(**fields: Any) -> tuple[Any, None]:
        written.append(dict(fields["patch"]))
        return None, None

    monkeypatch.setattr(patching, "patch_obj", patch_obj)
    return written


async def process(handlers: kopf.OperatorRegistry, kind: str | None) -> None:
    """Let kopf work through one event as its queue does."""
    await process_resource_event(
        lifecycle=lifecycles.all_at_once,
        indexers=OperatorIndexers(),
        registry=handlers,
        settings=settings(),
        memories=ResourceMemories(),
        memobase=Memo(),
        resource=RESOURCE,
        raw_event={"type": kind, "object": monitor_object()},  # type: ignore[typeddict-item]
        event_queue=None,  # type: ignore[arg-type]
    )


def test_there_is_one_event_handler_for_our_resource_and_no_other() -> None:
    found = registry(CREDENTIALS, Ear())
    [handler] = found._watching.get_all_handlers()
    selector = handler.selector
    assert selector is not None
    assert (selector.group, selector.version) == ("heartbeats.dev", "v1alpha1")
    assert selector.any_name == "heartbeatmonitors"
    assert selector.check(RESOURCE)
    assert not selector.check(replace(RESOURCE, group="example.com"))
    assert not selector.check(replace(RESOURCE, version="v1"))
    for others in (found._changing, found._spawning, found._indexing, found._webhooks):
        assert not others.get_all_handlers()


def test_nothing_of_it_makes_kopf_add_a_finalizer() -> None:
    found = registry(CREDENTIALS, Ear())
    assert not found._spawning.has_handlers(resource=RESOURCE)
    assert not found._changing.has_handlers(resource=RESOURCE)


def test_the_only_activity_is_our_login() -> None:
    [login] = registry(CREDENTIALS, Ear())._activities.get_all_handlers()
    assert login.activity is Activity.AUTHENTICATION


def test_registries_are_independent_of_one_another_and_of_kopfs_own() -> None:
    before = len(kopf.get_default_registry()._watching.get_all_handlers())
    assert registry(CREDENTIALS, Ear()) is not registry(CREDENTIALS, Ear())
    after = kopf.get_default_registry()._watching.get_all_handlers()
    assert len(after) == before


async def test_the_login_hands_kopf_a_session_of_our_own() -> None:
    [login] = registry(CREDENTIALS, Ear())._activities.get_all_handlers()
    info: Any = await login.fn()  # type: ignore[misc, call-arg]
    session = info.aiohttp_session
    assert (info.server, info.default_namespace) == ("http://127.0.0.1:1", "ours")
    assert isinstance(session, aiohttp.ClientSession)
    await session.close()


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED", "DELETED"])
async def test_an_event_is_passed_on_as_it_is_and_nothing_is_written(
    patches: list[Any], kind: str | None
) -> None:
    ear = Ear()
    await process(registry(CREDENTIALS, ear), kind)
    assert ear.heard == [(kind, monitor_object())]
    assert patches == []


async def test_an_error_of_ours_writes_nothing_either(
    patches: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_kind: str | None, _body: Mapping[str, Any]) -> None:
        raise RuntimeError("our loop is closed")

    await process(registry(CREDENTIALS, fail), "ADDED")
    assert patches == []
    assert "our loop is closed" in caplog.text


def test_the_handler_waits_for_nothing_and_returns_nothing() -> None:
    """One step of it is all of it: kopf's loop has ten thousand more to run."""
    [handler] = registry(CREDENTIALS, Ear())._watching.get_all_handlers()
    event = {"type": "ADDED", "object": monitor_object()}
    work: Any = handler.fn(event=event)  # type: ignore[call-arg]
    with pytest.raises(StopIteration) as end:
        work.send(None)
    assert end.value.value is None


async def test_kopf_still_stores_what_a_handler_returns(patches: list[Any]) -> None:
    """The reason for returning None: this shows that the tests above can fail."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, MONITORS.plural, registry=handlers)
    async def talkative(**_: Any) -> str:
        return "said"

    await process(handlers, "ADDED")
    [patch] = patches
    assert list(patch["status"].values()) == ["said"]


def test_kopf_is_of_the_release_whose_inside_is_known() -> None:
    major, minor, patch = (int(part) for part in version("kopf").split(".")[:3])
    assert (1, 45, 2) <= (major, minor, patch) < (1, 46, 0)


async def test_kopf_repeats_a_request_whose_connection_was_lost() -> None:
    """A refused token is told to it as such: it ends at a 401."""

    class Session:
        """Loses the first two connections."""

        closed = False
        tries = 0

        async def request(self, **_: Any) -> Any:
            self.tries += 1
            if self.tries < 3:
                raise aiohttp.ClientConnectionError("lost")
            return Answer()

    class Answer:
        status = 200

    session, quick = Session(), settings()
    quick.networking.error_backoffs = [0, 0, 0]
    answer = await api.request(
        "get",
        "/version",
        context=SimpleNamespace(session=session, server="http://127.0.0.1:1"),  # type: ignore[arg-type]
        settings=quick,
        logger=logging.getLogger("test"),
    )
    assert (answer.status, session.tries) == (200, 3)


def test_kopf_gives_up_a_watch_that_is_silent() -> None:
    assert settings().watching.inactivity_timeout == 70


def test_kopf_is_tuned_for_pages_and_quick_returns() -> None:
    tuned = settings()
    assert tuned.peering.standalone
    assert not tuned.posting.enabled
    assert tuned.watching.chunk_size == 500
    assert tuned.watching.initial_streaming is False
    assert tuned.queueing.idle_timeout == 0.1
    assert tuned.queueing.worker_limit is None
    assert tuned.networking.connect_timeout == 5
    assert tuned.networking.request_timeout == 30
    backoffs = list(tuned.networking.error_backoffs)
    assert max(backoffs) == 1.0
    assert sum(backoffs) > 300
    assert isinstance(tuned.persistence.diffbase_storage, NullDiffBase)


def test_kopf_looks_at_nothing_but_monitors() -> None:
    """A look at definitions comes too early, or is refused, for ten minutes."""
    assert settings().scanning.disabled


def test_kopf_tells_no_line_an_event() -> None:
    settings()
    assert not logging.getLogger("kopf.objects").isEnabledFor(logging.INFO)


def test_the_null_diff_base_looks_at_nothing_and_stores_nothing() -> None:
    storage, patch = NullDiffBase(), kopf.Patch()
    body = kopf.Body(monitor_object())  # type: ignore[arg-type]
    essence = storage.build(body=body)
    assert essence == {}
    assert storage.fetch(body=body) is None
    storage.store(body=body, patch=patch, essence=essence)
    assert not patch
