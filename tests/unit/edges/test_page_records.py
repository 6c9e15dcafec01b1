"""JSON and badges: what programs and other pages get of the monitors."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from heartbeats.core.model import Health, Incident, Policy, Reason, Spec, State
from heartbeats.edges.page.query import Query
from heartbeats.edges.page.records import details, listing
from heartbeats.edges.page.search import Found
from heartbeats.edges.page.survey import Census, look
from support.builders import HOUR, NOW, entry, state
from support.full_state import sample
from support.pages import Known, Served, serving, showcase

DOC = (Path(__file__).parents[3] / "docs" / "status-page.md").read_text()
EVIL = "\"'<script>&{{7*7}}</svg>"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(showcase()) as found:
        yield found


async def get(url: str, status: int = 200) -> Any:
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def test_the_list_tells_all_monitors_the_worst_first(served: Served) -> None:
    found = await get(f"{served.url}/api/v1/monitors")
    assert found["time"] == "2026-11-21T12:00:00Z"
    assert found["counts"] == {
        "Down": 2,
        "Unknown": 1,
        "Late": 1,
        "New": 1,
        "Paused": 1,
        "Up": 8,
    }
    assert (found["total"], found["page"], found["pages"]) == (14, 1, 1)
    assert found["next"] is None
    assert found["monitors"][0] == {
        "namespace": "payments",
        "name": "ledger-backup",
        "state": "Down",
        "reason": "RunMissed",
        "message": found["monitors"][0]["incident"]["message"],
        "sinceTime": "2026-11-21T01:05:00Z",
        "source": "cronJob",
        "cronJob": "ledger-backup",
        "schedule": "0 2 * * * Europe/Berlin",
        "lastSuccessTime": "2026-11-20T02:00:00Z",
        "nextExpectedTime": "2026-11-22T01:00:00Z",
        "consecutiveFailures": 1,
        "severity": "critical",
        "owner": "team-payments",
        "description": "Dumps the ledger to the second site.",
        "runbookURL": "https://runbooks.example.org/ledger-backup",
        "incident": {
            "openedTime": "2026-11-21T01:05:00Z",
            "reason": "RunMissed",
            "message": found["monitors"][0]["message"],
            "slotTime": "2026-11-21T01:00:00Z",
        },
    }


async def test_next_leads_through_all_pages_of_a_filter(served: Served) -> None:
    names: list[str] = []
    path = "/api/v1/monitors?namespace=web&state=Up&state=Late&size=2"
    while path:
        found = await get(served.url + path)
        names += [each["name"] for each in found["monitors"]]
        assert found["total"] == 3
        path = found["next"]
    assert names == ["sitemap", "cache-warmup", "thumbnails"]


async def test_one_monitor_is_told_with_its_history(served: Served) -> None:
    found = await get(f"{served.url}/api/v1/monitors/web/invoice-mails")
    assert (found["state"], found["incident"]["reason"]) == ("Down", "RunFailed")
    assert [each["outcome"] for each in found["history"][:2]] == ["failure", "success"]
    assert [each["type"] for each in found["conditions"]] == ["Healthy", "Ready"]
    assert found["effective"]["gracePeriod"] == "5m"


async def test_nothing_of_a_token_or_of_what_is_counted_is_told(
    served: Served,
) -> None:
    everything: State = sample(State)
    served.known.entries = [entry("full", everything)]
    found = await get(f"{served.url}/api/v1/monitors/shop/full")
    assert not {"ping", "applied", "pendingFlips", "keyID"} & found.keys()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/monitors?state=Broken", 400, "there is no state 'Broken'"),
        ("/monitors?page=two", 400, "page is 'two': write a number"),
        ("/monitors?page=2", 404, "There is no page 2; the last is 1."),
        ("/monitors/web/gone", 404, "There is no monitor web/gone."),
        ("/nothing", 404, "There is nothing here."),
    ],
)
async def test_what_is_wrong_is_told_as_json(
    served: Served, path: str, status: int, said: str
) -> None:
    found = await get(f"{served.url}/api/v1{path}", status)
    assert found.keys() == {"error"}
    assert said in found["error"]


async def test_a_follower_names_the_leader() -> None:
    async with serving(showcase(), lambda: "pod-1_x") as served:
        for path in ("", "/web/sitemap"):
            found = await get(f"{served.url}/api/v1/monitors{path}", 503)
            assert found == {
                "error": "This replica follows: pod-1_x leads.",
                "leader": "pod-1_x",
            }


async def test_every_field_is_described_and_no_other_one() -> None:
    """A state in which nothing is absent, against the tables of the documentation."""
    rules = replace(sample(Policy), schedule="0 2 * * *", time_zone="UTC")
    spec = replace(sample(Spec), cron_job_name="nightly")
    down = look(entry("full", sample(State), rules, spec=spec), now=NOW)
    up = look(entry("up", state()), now=NOW)  # only such a one has a deadline
    told = await listing(Census(NOW, 1, {}), Found(Query(), 2, [down, up]))
    fields = set().union(*told["monitors"])
    assert described("The list") == set(told)
    assert described("A monitor") == fields
    assert described("One monitor") == details(down, now=NOW).keys() - fields


def described(title: str) -> set[str]:
    """Return the fields in the table under a heading of the documentation."""
    _, _, text = DOC.partition(f"### {title}\n")
    table = text.partition("\n### ")[0].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))


# Badges


async def badge(url: str, status: int = 200) -> tuple[ET.Element, Any]:
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
        return ET.fromstring(await answer.text()), answer.headers  # noqa: S314 - ours


async def test_a_badge_says_the_name_and_the_word(served: Served) -> None:
    svg, headers = await badge(f"{served.url}/badge/web/sitemap.svg")
    assert svg.attrib["aria-label"] == "sitemap: Late"
    assert "".join(svg.itertext()) == "sitemap: Latesitemap" + "Late"
    assert headers["Cache-Control"] == "max-age=30"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("health", Health)
async def test_white_text_can_be_read_on_every_colour(health: Health) -> None:
    from heartbeats.edges.page.badge import _COLOURS

    channels = [int(_COLOURS[health][n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in channels
    )
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


async def test_a_hostile_name_stays_text_in_a_badge(served: Served) -> None:
    name = EVIL.replace("/", "").replace("{{7*7}}", "")
    served.known.entries = [entry(name)]
    svg, _ = await badge(f"{served.url}/badge/shop/{name.replace('&', '%26')}.svg")
    assert svg.attrib["aria-label"] == f"{name}: Up"
    assert {each.tag.rpartition("}")[2] for each in svg.iter()} == {
        *("svg", "title", "rect", "path", "g", "text")
    }


async def test_names_with_dots_and_long_ones_fit(served: Served) -> None:
    long = "a." * 126
    served.known.entries = [entry(long), entry("b.svg")]
    svg, _ = await badge(f"{served.url}/badge/shop/{long}.svg")
    assert int(svg.attrib["width"]) < 600
    await badge(f"{served.url}/badge/shop/b.svg.svg")


async def test_what_is_not_known_has_a_badge_too(served: Served) -> None:
    svg, headers = await badge(f"{served.url}/badge/web/gone.svg", 404)
    assert svg.attrib["aria-label"] == "heartbeats: not found"
    assert headers["Cache-Control"] == "no-store"
    async with serving(Known(), lambda: "") as follower:
        svg, _ = await badge(f"{follower.url}/badge/web/gone.svg", 503)
        assert svg.attrib["aria-label"] == "heartbeats: unknown"


def test_late_since_it_was_due_and_down_since_its_deadline() -> None:
    late = look(entry("a", state(next_expected_at=NOW - HOUR)), now=NOW)
    opened = Incident(opened_at=NOW - 2 * HOUR, reason=Reason.RUN_MISSED, message="")
    down = look(entry("b", state(incident=opened, changed_at=NOW)), now=NOW)
    assert details(late, now=NOW)["sinceTime"] == "2026-11-21T11:00:00Z"
    assert details(down, now=NOW)["sinceTime"] == "2026-11-21T10:00:00Z"
