"""The status page as people meet it: in a real browser, with and without JavaScript.

Nothing is timed: Playwright waits until what is expected is there.
"""

import re
from collections.abc import AsyncIterator

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from heartbeats.core.model import Incident, Reason
from heartbeats.edges.page import live
from support.browser import browser, sentences, visiting
from support.builders import MINUTE, NOW, entry, state
from support.pages import Known, Served, serving, showcase

EVIL = """<script>document.title="broken"</script><img src=x onerror=alert(1)>"""
PATHS = ("/", "/?state=Down", "/incidents", "/monitors/payments/ledger-backup",
         "/monitors/data/new-exports", "/nothing", "/?page=x")  # fmt: skip

expect.set_options(timeout=30_000)
"""Milliseconds: a busy machine paints late."""


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as found:
        yield found


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(live, "COALESCE_SECONDS", 0.05)
    async with serving(showcase()) as found:
        yield found


def went_down(message: str = "Due at 11:58, nothing came.") -> Incident:
    return Incident(opened_at=NOW - MINUTE, reason=Reason.RUN_MISSED, message=message)


async def is_live(page: Page) -> None:
    await expect(page.locator("#connection.live")).to_contain_text("Live, as of 12:00")


# Reading


async def test_everything_can_be_read_and_filtered_without_javascript(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url, java_script_enabled=False) as (page, _):
        await expect(page.locator("tbody tr")).to_have_count(14)
        await page.get_by_label("Namespace").fill("web")
        await page.get_by_label("Down").check()
        await page.get_by_role("button", name="Filter").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.locator("tbody a").click()
        await expect(page.locator("h1")).to_have_text("invoice-mails")
        await expect(page.get_by_text("Exit code 137").first).to_be_visible()
        await page.get_by_role("link", name="Incidents").click()
        await expect(page.locator(".incident.Down")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_can_be_used_by_everybody(
    chromium: Browser, served: Served, scheme: str
) -> None:
    """axe-core finds nothing: contrast, names, landmarks, headings, tables."""
    for path in PATHS:
        for width in (1280, 390):
            size = {"width": width, "height": 800}
            async with visiting(
                chromium, served.url + path, color_scheme=scheme, viewport=size
            ) as (page, _):
                found = await Axe().run(page)
                assert sentences(found.response["violations"]) == [], (path, width)


async def test_dark_is_dark_and_light_is_light(
    chromium: Browser, served: Served
) -> None:
    shown = {}
    for scheme in ("light", "dark"):
        async with visiting(chromium, served.url, color_scheme=scheme) as (page, _):
            shown[scheme] = await page.evaluate(
                "() => getComputedStyle(document.body).backgroundColor"
            )
    assert shown == {"light": "rgb(246, 247, 249)", "dark": "rgb(16, 21, 28)"}


async def test_nothing_sticks_out_of_a_telephone(
    chromium: Browser, served: Served
) -> None:
    long = "x" * 200
    served.known.entries.append(entry(long[:60], state(incident=went_down(long))))
    size = {"width": 360, "height": 740}
    for path in ("/", "/incidents", f"/monitors/shop/{long[:60]}"):
        async with visiting(chromium, served.url + path, viewport=size) as (page, _):
            if path == "/":
                row = page.locator('[id="m:payments/settlement"]')
                await expect(row).to_contain_text("running, must end in 53m")
                await expect(row).to_be_visible()
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, path


async def test_the_keyboard_reaches_everything_and_one_sees_where_one_is(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url) as (page, _):
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.locator(".tile.Down")).to_be_focused()
        outline = await page.evaluate(
            "() => getComputedStyle(document.activeElement).outlineStyle"
        )
        assert outline == "solid"
        reached = set()
        for _ in range(60):
            await page.keyboard.press("Tab")
            reached.add(await page.evaluate("document.activeElement.id || 'other'"))
        assert {"namespace", "q"} <= reached


# What a browser must not do


async def test_no_complaint_and_no_request_to_anybody_else(
    chromium: Browser, served: Served
) -> None:
    for path in PATHS[:5]:
        async with visiting(chromium, served.url + path) as (page, watched):
            await is_live(page)
            assert watched.complaints == []
            assert watched.outside(served.url) == []
            assert len(watched.asked) >= 4  # the page, two files, an icon or the stream


async def test_text_of_users_never_runs(chromium: Browser, served: Served) -> None:
    served.known.entries = [entry("a", state(incident=went_down(EVIL)))]
    for path in ("/", "/incidents", "/monitors/shop/a"):
        async with visiting(chromium, served.url + path) as (page, watched):
            await is_live(page)
            served.change("a", state(incident=went_down(f"{EVIL} again")))
            again = page.get_by_text("again").first
            await expect(again).to_contain_text("<img src=x onerror=alert(1)>")
            assert "broken" not in await page.title()
            assert watched.complaints == []
            served.change("a", state(incident=went_down(EVIL)))


async def test_the_policy_stops_a_script_that_gets_in(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url) as (page, watched):
        await page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "document.title = 'broken'";
                document.body.append(script);
            }"""
        )
        assert "broken" not in await page.title()
        assert "Content Security Policy" in "".join(watched.complaints)


# Live


async def test_a_change_is_seen_without_loading_the_page_again(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url) as (page, watched):
        await is_live(page)
        row = page.locator('[id="m:web/thumbnails"]')
        await expect(row.locator(".state")).to_have_text("Up")
        served.change("thumbnails", state(incident=went_down()), "web")
        await expect(row.locator(".state")).to_have_text("Down")
        await expect(row).to_contain_text("Due at 11:58, nothing came.")
        await expect(page.locator("#counts .Down")).to_have_text("3 Down")
        first = page.locator("#incident-list li").first
        await expect(first).to_contain_text("web/thumbnails")
        await expect(page.locator("#news")).to_have_text(
            "web/thumbnails is Down: RunMissed"
        )
        await expect(page).to_have_title("3 Down, 1 Unknown · Heartbeats")
        served.change("thumbnails", state(), "web")
        await expect(row.locator(".state")).to_have_text("Up")
        await expect(page.locator('[id="i:web/thumbnails"]')).to_have_count(0)
        documents = [each for each in watched.asked if each == f"{served.url}/"]
        assert len(documents) == 1


async def test_what_is_gone_leaves_and_the_focus_stays(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url) as (page, _):
        await is_live(page)
        link = page.locator('[id="m:infra/cert-renewal"] a')
        await link.focus()
        [gone] = [e for e in served.known.entries if e.key.name == "node-image-gc"]
        served.known.entries.remove(gone)
        served.page.mark(gone.key)
        served.change("cert-renewal", state(paused=True), "infra")
        row = page.locator('[id="m:infra/cert-renewal"] .state')
        await expect(row).to_have_text("Paused")
        await expect(page.locator('[id="m:infra/node-image-gc"]')).to_have_count(0)
        await expect(link).to_be_focused()


async def test_an_incident_elsewhere_is_not_shown_to_who_filters(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, f"{served.url}/?namespace=data") as (page, _):
        await is_live(page)
        served.change("thumbnails", state(incident=went_down()), "web")
        served.change("retention", state(incident=went_down()), "data")
        incidents = page.locator("#incident-list li")
        await expect(incidents).to_have_count(1)
        await expect(incidents).to_contain_text("data/retention")


async def test_a_monitor_s_own_page_follows_it(
    chromium: Browser, served: Served
) -> None:
    url = f"{served.url}/monitors/web/thumbnails"
    async with visiting(chromium, url) as (page, _):
        await is_live(page)
        await expect(page.locator(".verdict .state")).to_have_text("Up")
        served.change("thumbnails", state(incident=went_down()), "web")
        await expect(page.locator(".verdict .state")).to_have_text("Down")
        await expect(page).to_have_title("Down: web/thumbnails · Heartbeats")


async def test_more_than_many_changes_load_the_list_again(
    chromium: Browser, served: Served
) -> None:
    served.known.entries = [entry(f"m{number:03}") for number in range(250)]
    async with visiting(chromium, f"{served.url}/?size=500") as (page, _):
        await is_live(page)
        for each in served.known:
            served.change(each.key.name, state(paused=True))
        paused = page.locator('tbody tr[data-state="Paused"]')
        await expect(paused).to_have_count(250, timeout=15_000)


async def test_times_go_on(chromium: Browser, served: Served) -> None:
    async with visiting(chromium, served.url) as (page, _):
        await is_live(page)
        row = page.locator('[id="m:data/index-rebuild"]')
        await expect(row).to_contain_text("next check in 4h 51m")
        served.clock.turn(11 * MINUTE)
        later = re.compile("next check in 4h (40|39)m")
        await expect(row).to_contain_text(later, timeout=15_000)


async def test_a_page_that_is_cut_off_says_so_and_recovers(
    chromium: Browser, served: Served
) -> None:
    async with visiting(chromium, served.url) as (page, _):
        await is_live(page)
        await page.context.set_offline(True)
        for each in tuple(served.page._live._clients):
            each.drop()
        lost = page.locator("#connection.lost")
        await expect(lost).to_contain_text("Not live: this is how it was at 12:00:00")
        await expect(page.locator("#news")).to_contain_text("Not live")
        await page.context.set_offline(False)
        await expect(page.locator("#connection.live")).to_be_visible(timeout=60_000)


async def test_a_follower_s_page_becomes_the_list_when_it_leads(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "COALESCE_SECONDS", 0.05)
    leaders: list[str | None] = ["heartbeats-operator-abc_1"]
    async with (
        serving(Known(entry("a")), lambda: leaders[0]) as served,
        visiting(chromium, served.url) as (page, _),
    ):
        await expect(page.locator("main")).to_contain_text(
            "port-forward pod/heartbeats-operator-abc 8082"
        )
        await is_live(page)
        leaders[0] = None
        await expect(page.locator("tbody tr")).to_have_count(1)
