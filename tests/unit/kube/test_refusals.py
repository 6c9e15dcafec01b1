"""Why the controller made no Job, from its own Events."""

from typing import Any

import msgspec

from heartbeats.core.model import CronJobFacts, Uid
from heartbeats.edges.kube.client import Params
from heartbeats.edges.kube.decode import ListMeta, Page
from heartbeats.edges.kube.refusals import MESSAGE_LIMIT, Refusals
from heartbeats.edges.kube.resources import Resource
from support.builders import MemoryApi

CRON_JOB = CronJobFacts(
    uid=Uid("cj-1"), name="nightly", namespace="shop", schedule="0 2 * * *"
)


class EventApi(MemoryApi):
    """Lists the Events that were put there."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.asked: list[Params | None] = []

    async def list_page(self, resource: Resource, **options: Any) -> Page:
        assert resource.plural == "events"
        assert options["namespace"] in ("shop", None)
        self.asked.append(options["params"])
        items = [msgspec.Raw(msgspec.json.encode(each)) for each in self.events]
        return Page(ListMeta(version="9"), items)

    def say(
        self, reason: str, message: str = "", version: int = 1, of: str = "cj-1"
    ) -> None:
        meta = {"name": f"e{version}", "uid": f"e{version}"}
        meta["resourceVersion"] = str(version)
        about = {"reason": reason, "message": message, "involvedObject": {"uid": of}}
        self.events.append({"metadata": meta, **about})


async def test_the_newest_refusal_is_told() -> None:
    api = EventApi()
    api.say("FailedCreate", "exceeded quota: none", version=30)
    api.say("MissSchedule", "too old", version=20)
    assert await Refusals(api).of(CRON_JOB) == (
        "The controller says FailedCreate: exceeded quota: none"
    )
    assert api.asked == [{"fieldSelector": "involvedObject.uid=cj-1"}]


async def test_good_news_explain_nothing() -> None:
    api = EventApi()
    api.say("SuccessfulCreate", "Created job nightly-1")
    api.say("SawCompletedJob", "Saw completed job")
    assert await Refusals(api).of(CRON_JOB) == ""


async def test_a_long_message_is_cut() -> None:
    api = EventApi()
    api.say("FailedCreate", "x" * 5000)
    assert len(await Refusals(api).of(CRON_JOB)) == MESSAGE_LIMIT


async def test_the_refusals_of_all_cronjobs_are_one_list() -> None:
    api = EventApi()
    api.say("FailedCreate", "exceeded quota: none", version=1)
    api.say("FailedCreate", "exceeded quota: all", version=3)
    api.say("UnknownTimeZone", "Mars/Olympus", version=2, of="cj-2")
    api.say("Unhealthy", "probe failed", version=4, of="cj-3")
    said = await Refusals(api).of_all()
    assert {uid: text for uid, text in said.items() if text} == {
        Uid("cj-1"): "The controller says FailedCreate: exceeded quota: all",
        Uid("cj-2"): "The controller says UnknownTimeZone: Mars/Olympus",
    }
    assert api.asked == [{"fieldSelector": "involvedObject.kind=CronJob,type=Warning"}]
