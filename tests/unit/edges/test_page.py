"""The status page: what it shows, in which order, and that nothing breaks out."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from heartbeats.config import Address
from heartbeats.core.model import (
    ActiveRun,
    Health,
    Incident,
    Reason,
    Run,
    Source,
    Spec,
    State,
)
from heartbeats.edges.listener import Listener
from heartbeats.edges.page import survey
from heartbeats.edges.page.hosts import is_loopback
from heartbeats.edges.page.site import Place, StatusPage
from heartbeats.ledger.entries import Entry
from support.builders import HOUR, MINUTE, NOW, SetClock, entry, policy, state
from support.markup import Reader
from support.pages import Known, Served, down, runs, serving, showcase

EVIL = """<script>alert(1)</script>"'&<img src=x onerror=alert(1)>{{ 7*7 }}"""


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(Known()) as found:
        yield found


@pytest.fixture
def known(served: Served) -> Known:
    return served.known


@pytest.fixture
def url(served: Served) -> str:
    return served.url


async def read(url: str, status: int = 200) -> Reader:
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        allowed = answer.headers["Content-Security-Policy"]
        assert allowed.startswith("default-src 'none'; style-src 'self'; script-src")
        assert "unsafe" not in allowed
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        return Reader(await answer.text())


def incident(message: str = "Due at 02:00.") -> Incident:
    return Incident(opened_at=NOW - HOUR, reason=Reason.RUN_MISSED, message=message)


ONE_OF_EACH = {
    Health.UP: state(),
    Health.PAUSED: state(paused=True),
    Health.NEW: State(),
    Health.LATE: state(next_expected_at=NOW - MINUTE),
    Health.UNKNOWN: state(mismatch_at=NOW),
    Health.DOWN: state(incident=incident()),
}


def each_state(known: Known) -> None:
    known.entries = [entry(health.lower(), s) for health, s in ONE_OF_EACH.items()]


def shown(page: Reader) -> list[str]:
    """Return the names in the list, in its order."""
    ids = (str(row.get("id")) for row in page.all("tr"))
    return [each.removeprefix("m:shop/") for each in ids if each.startswith("m:")]


# The list


async def test_the_worst_comes_first_and_all_are_counted(
    url: str, known: Known
) -> None:
    each_state(known)
    page = await read(url)
    assert shown(page) == ["down", "unknown", "late", "new", "paused", "up"]
    assert "1 Down 1 Unknown 1 Late 1 New 1 Paused 1 Up" in page.said
    assert "6 monitors, the most urgent first" in page.said


async def test_a_row_tells_what_one_wants_to_know(url: str, known: Known) -> None:
    rules = policy(
        source=Source.CRON_JOB,
        interval=None,
        schedule="0 2 * * *",
        time_zone="Europe/Berlin",
        severity="page",
        owner="team-a",
    )
    next_at = NOW + 4 * HOUR + 51 * MINUTE
    known.entries = [
        entry("a", state(next_expected_at=next_at, history=runs("+-")), rules)
    ]
    page = await read(url)
    assert page.table() == [
        ["State", "Monitor", "Last runs", "Next", "Reason"],
        [
            "Up for 1d",
            "shop/a 0 2 * * * Europe/Berlin · team-a · page",
            "○✓ last 1h ago",
            "next check in 4h 51m",
            "OnSchedule Last success at 2026-11-21T11:00:00Z.",
        ],
    ]
    times = {each["title"] for each in page.all("time") if "title" in each}
    assert {"2026-11-21T11:00:00Z", "2026-11-21T16:51:00Z"} <= times
    assert {"href": "/monitors/shop/a"} in page.all("a")


async def test_a_strip_is_told_without_colours(url: str, known: Known) -> None:
    run = ActiveRun(id="r", started_at=NOW - MINUTE)
    known.entries = [entry("a", state(history=runs("x+-"), active_runs=(run,)))]
    page = await read(url)
    [strip] = [each for each in page.all("span") if each.get("class") == "strip"]
    assert strip["role"] == "img"
    assert strip["aria-label"] == (
        "Last runs, oldest first: 1 missed, 1 success, 1 failure, 1 running; "
        "the newest: running"
    )
    assert "○✓✗▸" in page.said
    titles = [each["title"] for each in page.all("i")]
    assert titles[2] == (
        "failure at 2026-11-21T11:00:00Z: Out of memory: killed after 2.1 GiB."
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("down", "next check in 1h"),
        ("late", "due 1m ago, Down in 4m"),
        ("new", "waits for the first check-in"),
        ("paused", "paused"),
    ],
)
async def test_what_comes_next_is_said_for_each_state(
    url: str, known: Known, name: str, said: str
) -> None:
    each_state(known)
    page = await read(f"{url}?state={name}")
    assert page.table()[1][3] == said


async def test_a_run_that_goes_on_has_an_end_to_be_awaited(
    url: str, known: Known
) -> None:
    run = ActiveRun(id="r", started_at=NOW - 10 * MINUTE)
    rules = policy(max_runtime=HOUR)
    known.entries = [entry("a", state(active_runs=(run,)), rules)]
    assert (await read(url)).table()[1][3] == "running, must end in 50m"


async def test_without_monitors_it_says_what_to_do(url: str) -> None:
    page = await read(url)
    assert "No monitors yet: create a HeartbeatMonitor or a CronJob." in page.said
    assert "Nothing is monitored." in page.said
    assert page.rows == []


async def test_what_is_not_judged_yet_is_counted_but_not_guessed(
    url: str, known: Known
) -> None:
    known.entries = [entry("a", is_judged=False), entry("b")]
    page = await read(url)
    assert "1 monitor(s) not judged here yet" in page.said
    assert shown(page) == ["b"]
    one = await read(url + "/monitors/shop/a", status=503)
    assert "not judged here yet" in one.said


# Filters and pages


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["down", "unknown", "late", "new", "paused", "up"]),
        ("state=Down", ["down"]),
        ("state=late&state=UP", ["late", "up"]),
        ("state=", ["down", "unknown", "late", "new", "paused", "up"]),
        ("q=PAUSE", ["paused"]),
        ("q=runmissed", ["down"]),
        ("q=team+b", []),
        ("namespace=shop&q=up", ["up"]),
        ("namespace=sho", []),
        ("utm_source=mail", ["down", "unknown", "late", "new", "paused", "up"]),
    ],
)
async def test_a_form_without_scripts_filters(
    url: str, known: Known, asked: str, names: list[str]
) -> None:
    each_state(known)
    page = await read(f"{url}?{asked}")
    assert shown(page) == names


async def test_the_form_remembers_what_was_asked(url: str, known: Known) -> None:
    each_state(known)
    page = await read(f"{url}?state=Down&q=%22%3E%3Cb%3E&namespace=shop&size=7")
    values = {each.get("name"): each.get("value") for each in page.all("input")}
    assert values["q"] == '"><b>'
    assert (values["namespace"], values["size"]) == ("shop", "7")
    checked = [each["value"] for each in page.all("input") if "checked" in each]
    assert checked == ["Down"]
    [form] = page.all("form")
    assert (form["method"], form["action"]) == ("get", "/")


async def test_a_crowd_comes_page_by_page(url: str, known: Known) -> None:
    known.entries = [entry(f"m{number}") for number in range(5)]
    seen: list[str] = []
    where, turned = "/?size=2", 0
    while where:
        page = await read(url + where)
        seen += shown(page)
        turned += 1
        assert f"Page {turned} of 3" in page.said
        following = [
            each["href"] for each in page.all("a") if each.get("rel") == "next"
        ]
        where = str(following[0]) if following else ""
    assert seen == [f"m{number}" for number in range(5)]
    assert (
        "There is no page 4; the last is 3."
        in (await read(url + "/?size=2&page=4", status=404)).said
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("state=Broken", "there is no state 'Broken': write one of Down, Unknown,"),
        ("page=0", "page is '0': write a number from 1 to 1000000."),
        ("page=x", "page is 'x': write a number"),
        ("size=501", "size is '501': write a number from 1 to 500."),
        ("size=%D9%A3", "size is '٣': write a number"),
        ("size=" + 5000 * "9", "write a number"),
        ("q=" + 254 * "x", "q is longer than 253 characters."),
        ("state=%3Cscript%3E", "there is no state '<script>'"),
    ],
)
async def test_what_cannot_be_understood_is_said(
    url: str, asked: str, said: str
) -> None:
    page = await read(f"{url}?{asked}", status=400)
    assert said in page.said
    assert page.all("script") == [{"src": page.all("script")[0]["src"], "defer": None}]


async def test_many_ask_and_one_look_answers(
    url: str, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Entry] = []
    plain = survey.Words.of
    monkeypatch.setattr(
        survey.Words,
        "of",
        lambda words, each, now: looks.append(each) or plain(words, each, now=now),
    )
    known.entries = [entry("a"), entry("b")]
    for path in ("/", "/incidents", "/api/v1/monitors"):
        async with ClientSession() as http, http.get(url + path) as answer:
            assert answer.status == 200
    assert len(looks) == 2


def test_what_is_remembered_of_a_word_is_always_the_word() -> None:
    """Through all changes of state, policy and time, against the verdict itself."""
    words = survey.Words()
    one = entry("a")
    for each in (*ONE_OF_EACH.values(), *reversed(ONE_OF_EACH.values())):
        one.state = each
        for rules in (policy(), policy(suspended=True)):
            one.policy = rules
            for later in range(0, 180, 7):
                now = NOW + later * MINUTE
                assert words.of(one, now=now) is survey.look(one, now=now).word.health


def test_nothing_is_remembered_of_what_is_gone() -> None:
    words = survey.Words()
    one, other = entry("one"), entry("other")
    for each in (one, other):
        words.of(each, now=NOW)
    words.keep({other.uid})
    assert set(words._known) == {other.uid}


# Incidents


async def test_open_incidents_stand_above_everything_the_newest_first(
    url: str, known: Known
) -> None:
    rules = policy(
        severity="critical", owner="team-a", runbook_url="https://run.example.org/a"
    )
    old = Incident(opened_at=NOW - 9 * HOUR, reason=Reason.RUN_FAILED, message="exit 3")
    known.entries = [
        entry("a", state(incident=old), rules),
        entry("b", state(incident=incident())),
        entry("c"),
    ]
    page = await read(url)
    above = page.said.partition("Monitors Namespace")[0]
    assert re.findall(r"Down shop/(\w)", above) == ["b", "a"]
    assert (
        "for 9h, since 2026-11-21 03:00:00 UTC RunFailed: exit 3 Severity: critical "
        "Owner: team-a Runbook of shop/a"
    ) in above
    assert {"https://run.example.org/a", "/monitors/shop/b"} <= {
        link["href"] for link in page.all("a")
    }


async def test_many_incidents_are_cut_and_counted(url: str, known: Known) -> None:
    known.entries = [entry(f"m{n}", state(incident=incident())) for n in range(23)]
    page = await read(url)
    assert len([each for each in page.all("li") if "incident" in str(each)]) == 20
    assert {"href": "/incidents"} in page.all("a")
    assert "3 more" in page.said
    whole = await read(url + "/incidents")
    assert len([each for each in whole.all("li") if "incident" in str(each)]) == 23


async def test_incidents_come_page_by_page_the_newest_first(
    url: str, known: Known
) -> None:
    known.entries = [
        entry(f"m{n}", down(Reason.RUN_MISSED, "", minutes * MINUTE))
        for n, minutes in enumerate((30, 10, 20))
    ]
    for page, names in ((1, ["m1", "m2"]), (2, ["m0"])):
        shown = await read(f"{url}/incidents?size=2&page={page}")
        ids = [str(each.get("id")) for each in shown.all("li")]
        assert ids == [f"i:shop/{name}" for name in names]


async def test_incidents_have_a_page_with_what_is_unknown_and_was_bad(
    url: str, known: Known
) -> None:
    each_state(known)
    known.entries.append(entry("night", state(history=runs("+x", every=5 * HOUR))))
    page = await read(url + "/incidents")
    assert "Open: 1" in page.said
    assert "Unknown: 1" in page.said
    [row] = page.table()[1:]
    assert row[1:4] == ["shop/night", "failure RunFailed", "Up"]
    assert "Bad runs" in page.said
    none = await read(url + "/incidents?namespace=other")
    assert "Open: 0" in none.said
    assert none.rows == []


# One monitor


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
    assert [
        "failure",
        "2026-11-21 11:00:00 UTC (1h ago)",
        "2026-11-21 10:00:00 UTC (2h ago)",
        "1m 30s",
        "3",
        "disk full",
    ] in page.table()
    assert "Down for 1h, since 2026-11-21 11:00:00 UTC RunMissed" in page.said
    assert "https://example.com/run?a=1&b=2" in {a["href"] for a in page.all("a")}


async def test_settings_say_where_they_came_from(url: str, known: Known) -> None:
    rules = policy(
        source=Source.CRON_JOB,
        interval=None,
        schedule="0 2 * * *",
        time_zone="UTC",
        max_runtime=2 * HOUR,
        recovery_threshold=3,
        owner="team-a",
        origins=(
            ("schedule", "CronJob"),
            ("timeZone", "--cluster-time-zone"),
            ("maxRuntime", "annotation on the Namespace"),
            ("owner", "spec"),
        ),
        notes=("annotation heartbeats.dev/severity of the CronJob: too long",),
    )
    spec = Spec(source=Source.CRON_JOB, cron_job_name="a", recovery_threshold=3)
    known.entries = [entry("a", None, rules, spec=spec)]
    page = await read(url + "/monitors/shop/a")
    assert [row for row in page.table() if len(row) == 3] == [
        ["Setting", "Value", "From"],
        ["schedule", "0 2 * * *", "CronJob"],
        ["timeZone", "UTC", "--cluster-time-zone"],
        ["gracePeriod", "5m", "built in"],
        ["maxRuntime", "2h", "annotation on the Namespace"],
        ["failureThreshold", "1", "built in"],
        ["recoveryThreshold", "3", "spec"],
        ["historyLimit", "10", "built in"],
        ["owner", "team-a", "spec"],
    ]
    assert "Not applied: annotation heartbeats.dev/severity of the" in page.said
    assert "kubectl -n shop describe cronjob a" in page.said
    assert "How to ping" not in page.said


async def test_a_ping_monitor_tells_how_to_ping_it_without_its_token(
    url: str, known: Known
) -> None:
    known.entries = [entry("a", state(key_id="key-7"))]
    page = await read(url + "/monitors/shop/a")
    assert "https://pings.example.org/ping/TOKEN" in page.said
    assert "heartbeats url shop/a" in page.said
    assert "kubectl -n shop get secret a-ping -o jsonpath='{.data.url}'" in page.said
    assert "describe cronjob" not in page.said


async def test_no_secret_is_named_where_none_is_written(known: Known) -> None:
    known.entries = [entry("a")]
    page = StatusPage(known, SetClock(), place=Place(has_secrets=False))
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        shown = await read(f"{listener.url}/monitors/shop/a")
    assert "heartbeats url shop/a To report a run" in shown.said
    assert "get secret" not in shown.said


async def test_deadline_runs_and_conditions_are_shown(url: str, known: Known) -> None:
    run = ActiveRun(id="r", started_at=NOW - 5 * MINUTE, slot_at=NOW - 6 * MINUTE)
    rules = policy(max_runtime=HOUR)
    known.entries = [entry("a", state(active_runs=(run,)), rules)]
    page = await read(url + "/monitors/shop/a")
    assert "Deadline2026-11-21 12:55:00 UTC (in 55m). If the run under way" in page.said
    assert [
        "2026-11-21 11:55:00 UTC (5m ago)",
        "5m",
        "2026-11-21 11:54:00 UTC (6m ago)",
        "",
    ] in page.table()
    kinds = {row[0]: row[1:3] for row in page.table() if len(row) == 5}
    assert kinds["Healthy"] == ["True", "OnSchedule"]
    assert kinds["Ready"] == ["True", "Accepted"]


async def test_every_monitor_of_the_showcase_has_a_page(url: str, known: Known) -> None:
    known.entries = showcase().entries
    for each in known.entries:
        await read(f"{url}/monitors/{each.key}")


# Hostile input


async def test_text_of_users_stays_text(url: str, known: Known) -> None:
    rules = policy(
        schedule=EVIL,
        time_zone=EVIL,
        interval=None,
        owner=EVIL,
        severity=EVIL,
        description=EVIL,
        runbook_url=f"https://{EVIL}",
        notes=(EVIL,),
    )
    run = Run(outcome=EVIL, at=NOW, message=EVIL)
    going_on = ActiveRun(id=EVIL, started_at=NOW)
    evil = state(incident=incident(EVIL), history=(run,), active_runs=(going_on,))
    known.entries = [
        entry("a", evil, namespace=EVIL[:-9], spec=Spec(source=Source.PING))
    ]
    known.entries[0].policy = rules
    link = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E"
    for path in ("/", "/incidents", "/?q=alert"):
        page = await read(url + path)
        assert EVIL in page.text
        assert "49" not in page.text
        assert not page.tags() & {"img"}
        assert [set(each) for each in page.all("script")] == [{"src", "defer"}]
        assert not [a for _, a in page.elements if any(k[:2] == "on" for k in a)]
        places = [str(each["href"]) for each in page.all("a")]
        assert any(each.startswith(f"/monitors/{link}") for each in places)
    [place] = {each for each in places if each.startswith("/monitors/")}
    page = await read(url + place)
    assert page.text.count(EVIL) > 8
    assert not page.tags() & {"img"}


async def test_a_runbook_that_is_no_web_address_is_no_link(
    url: str, known: Known
) -> None:
    rules = policy(runbook_url="javascript:alert(1)")
    known.entries = [entry("a", state(incident=incident()), rules)]
    for path in ("/", "/incidents", "/monitors/shop/a"):
        page = await read(url + path)
        assert not [a for a in page.all("a") if "javascript" in str(a["href"])]
    assert "javascript:alert(1)" in page.text


# What is not there, and what is not allowed


@pytest.mark.parametrize(
    "path",
    ["/monitors/shop/gone", "/monitors", "/favicon.ico", "/%3Cscript%3E", "//x/y"],
)
async def test_anything_else_is_not_found(url: str, path: str) -> None:
    page = await read(url + path, status=404)
    assert "There is no" in page.said
    assert {"href": "/"} in page.all("a")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(url: str, method: str) -> None:
    for path in ("/", "/incidents", "/monitors/a/b", "/api/v1/monitors", "/events"):
        async with ClientSession() as http, http.request(method, url + path) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] in {"GET,HEAD", "GET"}
            assert "Use GET or HEAD." in await answer.text()


async def test_a_head_is_answered_without_a_body(url: str) -> None:
    async with ClientSession() as http, http.head(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_what_a_page_refers_to_is_there_and_may_be_kept_for_ever(
    url: str,
) -> None:
    page = await read(url)
    places = [each["href"] for each in page.all("link")]
    places += [each["src"] for each in page.all("script")]
    assert len(places) == 3
    for place in places:
        async with ClientSession() as http, http.get(f"{url}{place}") as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:8082", 200), ("127.0.0.1", 200), ("[::1]:80", 200)),
        *(("page.localhost", 200), ("LOCALHOST.", 200), ("10.0.0.7:8082", 200)),
        *(("rebound.example.org", 421), ("localhost.example.org:8082", 421)),
        *(("127.0.0.1.example.org", 421), ("a b", 421)),
    ],
)
async def test_a_name_that_was_led_to_this_machine_learns_nothing(
    url: str, host: str, status: int
) -> None:
    async with ClientSession() as http:
        for path in ("/", "/api/v1/monitors", "/events?since=0"):
            async with http.get(url + path, headers={"Host": host}) as answer:
                assert answer.status == status


async def test_a_page_for_others_is_known_by_any_name(known: Known) -> None:
    page = StatusPage(known, SetClock(), place=Place(is_local=False))
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        headers = {"Host": "status.example.org"}
        async with (
            ClientSession() as http,
            http.get(listener.url, headers=headers) as a,
        ):
            assert a.status == 200


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), (None, False)),
        *(("0.0.0.0", False), ("10.0.0.7", False), ("pod.example.org", False)),  # noqa: S104
    ],
)
def test_what_listens_for_its_own_machine_only(host: str | None, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("leader", "said"),
    [
        ("heartbeats-7f_<b>", "This replica follows: heartbeats-7f_<b> leads."),
        ("", "This replica follows, and nobody leads yet."),
    ],
)
async def test_a_follower_says_who_leads_and_nothing_of_the_monitors(
    leader: str, said: str
) -> None:
    """What it knows of them is what the leader wrote last."""
    known = Known(entry("backup", is_judged=False))
    async with serving(known, lambda: leader) as served:
        for path in ("/", "/incidents", "/monitors/shop/backup", "/monitors/a/b"):
            shown = await read(served.url + path, 503)
            assert said in shown.said
            assert "backup" not in shown.text
            assert "b" not in shown.tags()
        command = "kubectl -n heartbeats-system port-forward pod/heartbeats-7f 8082"
        assert (command in shown.text) is bool(leader)
