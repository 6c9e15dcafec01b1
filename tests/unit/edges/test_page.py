"""The overview page: what it shows, in which order, and that nothing breaks out."""

from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser

import pytest
from aiohttp import ClientSession

from heartbeats.config import Address
from heartbeats.core.model import (
    Health,
    Incident,
    MonitorKey,
    Reason,
    Run,
    Source,
    State,
)
from heartbeats.edges.listener import Listener
from heartbeats.edges.page import overview
from heartbeats.edges.page.overview import Page
from heartbeats.ledger.entries import Entry
from support.builders import HOUR, MINUTE, NOW, SetClock, entry, policy, state

EVIL = """<script>alert(1)</script>"'&<img src=x onerror=alert(1)>"""
VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page; every element must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


class Known:
    """The monitors that the page reads."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def named(self, key: MonitorKey) -> Entry | None:
        return next((each for each in self if each.key == key), None)


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
async def url(known: Known) -> AsyncIterator[str]:
    page = Page(known, SetClock())
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        yield listener.url


async def read(url: str, status: int = 200) -> Reader:
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy_ = answer.headers["Content-Security-Policy"]
        assert policy_.startswith("default-src 'none'; style-src 'sha256-")
        assert "Set-Cookie" not in answer.headers
        return Reader(await answer.text())


def incident(message: str = "Due at 02:00.") -> Incident:
    return Incident(opened_at=NOW, reason=Reason.RUN_MISSED, message=message)


ONE_OF_EACH = {
    Health.UP: state(),
    Health.PAUSED: state(paused=True),
    Health.NEW: State(),
    Health.LATE: state(next_expected_at=NOW - MINUTE),
    Health.UNKNOWN: state(mismatch_at=NOW),
    Health.DOWN: state(incident=incident()),
}


async def test_the_worst_comes_first(url: str, known: Known) -> None:
    known.entries = [entry(health.lower(), s) for health, s in ONE_OF_EACH.items()]
    page = await read(url)
    shown = [row[:2] for row in page.rows[1:]]
    assert shown == [
        ["Down", "shop/down"],
        ["Unknown", "shop/unknown"],
        ["Late", "shop/late"],
        ["New", "shop/new"],
        ["Paused", "shop/paused"],
        ["Up", "shop/up"],
    ]
    assert "Down 1 Unknown 1 Late 1 New 1 Paused 1 Up 1" in page.text


async def test_a_row_tells_what_one_wants_to_know(url: str, known: Known) -> None:
    rules = policy(
        source=Source.CRON_JOB,
        interval=None,
        schedule="0 2 * * *",
        time_zone="Europe/Berlin",
        severity="page",
        owner="team-a",
    )
    known.entries = [
        entry("a", state(next_expected_at=NOW + 4 * HOUR + 51 * MINUTE), rules)
    ]
    page = await read(url)
    heads, row = page.rows
    assert dict(zip(heads, row, strict=True)) == {
        "State": "Up",
        "Monitor": "shop/a",
        "Schedule": "0 2 * * * Europe/Berlin",
        "Last check-in": "1h ago",
        "Next expected": "in 4h 51m",
        "Reason": "OnSchedule: Last success at 2026-11-21T11:00:00Z.",
        "Severity": "page",
        "Owner": "team-a",
    }
    assert page.all("time")[0]["title"] == "2026-11-21T11:00:00Z"
    assert {"href": "/monitors/shop/a"} in page.all("a")


async def test_without_monitors_it_says_what_to_do(url: str) -> None:
    page = await read(url)
    assert "No monitors yet: create a HeartbeatMonitor or a CronJob." in page.text
    assert page.rows == []


async def test_what_is_not_judged_yet_is_counted_but_not_guessed(
    url: str, known: Known
) -> None:
    known.entries = [entry("a", is_judged=False), entry("b")]
    page = await read(url)
    assert "1 monitor(s) not judged here yet" in page.text
    assert [row[1] for row in page.rows[1:]] == ["shop/b"]
    await read(url + "/monitors/shop/a", status=503)


async def test_a_crowd_is_cut_after_the_most_urgent(
    url: str, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "SHOWN", 2)
    known.entries = [entry(f"m{number}") for number in range(3)]
    known.entries.append(entry("x", ONE_OF_EACH[Health.DOWN]))
    page = await read(url)
    assert [row[1] for row in page.rows[1:]] == ["shop/x", "shop/m0"]
    assert "2 more: kubectl get hbm --all-namespaces" in page.text


async def test_a_monitor_has_a_page_with_its_history(url: str, known: Known) -> None:
    run = Run(
        outcome="failure",
        at=NOW - HOUR,
        slot_at=NOW - 2 * HOUR,
        duration=90 * MINUTE / 60,
        exit_code=3,
        message="disk full",
    )
    rules = policy(runbook_url="https://example.com/run?a=1&b=2", description="d")
    known.entries = [entry("a", state(history=(run,), incident=incident()), rules)]
    page = await read(url + "/monitors/shop/a")
    assert page.rows[1:] == [
        ["failure", "1h ago", "2h ago", "1m 30s", "3", "disk full"]
    ]
    assert "Down RunMissed" in page.text
    links = [link["href"] for link in page.all("a")]
    assert links == ["/", "https://example.com/run?a=1&b=2"]


async def test_text_of_users_stays_text(url: str, known: Known) -> None:
    rules = policy(
        schedule=EVIL,
        time_zone=EVIL,
        interval=None,
        owner=EVIL,
        severity=EVIL,
        description=EVIL,
        runbook_url=f"https://{EVIL}",
    )
    run = Run(outcome=EVIL, at=NOW, message=EVIL)
    evil = entry("a", state(incident=incident(EVIL), history=(run,)))
    evil.policy = rules
    known.entries = [evil]
    for path in ("/", "/monitors/shop/a"):
        page = await read(url + path)
        assert EVIL in page.text
        assert not page.tags() & {"script", "img"}


async def test_a_runbook_that_is_no_web_address_is_no_link(
    url: str, known: Known
) -> None:
    known.entries = [entry("a", policy_=policy(runbook_url="javascript:alert(1)"))]
    page = await read(url + "/monitors/shop/a")
    assert "javascript:alert(1)" in page.text
    assert [link["href"] for link in page.all("a")] == ["/"]


@pytest.mark.parametrize(
    "path",
    ["/monitors/shop/gone", "/monitors", "/favicon.ico", "/%3Cscript%3E", "//x/y"],
)
async def test_anything_else_is_not_found(url: str, path: str) -> None:
    page = await read(url + path, status=404)
    assert "There is nothing here." in page.text


async def test_nothing_can_be_changed(url: str) -> None:
    async with ClientSession() as http, http.post(url) as answer:
        assert answer.status in {404, 405}


@pytest.mark.parametrize(
    ("leader", "said"),
    [
        ("operator-7f_<b>", "This replica follows: operator-7f_<b> leads."),
        ("", "This replica follows, and nobody leads yet."),
    ],
)
async def test_a_follower_says_who_leads_and_nothing_of_the_monitors(
    known: Known, leader: str, said: str
) -> None:
    """What it knows of them is what the leader wrote last."""
    known.entries = [entry("backup", is_judged=False)]
    page = Page(known, SetClock(), lambda: leader)
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        shown = await read(listener.url)
        assert said in shown.text
        assert "backup" not in shown.text
        assert "b" not in shown.tags()
        one = await read(f"{listener.url}/monitors/shop/backup", 503)
        assert said in one.text
