"""What holds for every route of the table, present and future."""

import pytest

from heartbeats.edges.ping.routes import ROUTES, Dialect, Route
from unit.ping.support import TOKEN, PingBench

BOTS = [
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; GOOGLEBOT/2.1)",
    "Mozilla/5.0 (compatible; Discordbot/2.0)",
    "Facebot",
    "facebookexternalhit/1.1",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "LinkedInBot/1.0",
]
OTHERS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
REFUSED = [
    (route, method)
    for route in ROUTES
    for method in sorted({*OTHERS} - {*route.methods})
]
ACCEPTED = [(route, method) for route in ROUTES for method in route.methods]


def path_of(route: Route) -> str:
    """Fill a path in with a success."""
    path = route.path.replace("{t}", TOKEN).replace("{code}", "0")
    return path.replace("{key}", "some-key")


def name_of(value: object) -> str:
    return value.path if isinstance(value, Route) else str(value)


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(("route", "method"), REFUSED, ids=name_of)
async def test_another_method_is_refused_and_recorded_nowhere(
    bench: PingBench, route: Route, method: str
) -> None:
    answer = await bench.ask(method, path_of(route), headers=BEARER)
    assert answer.status == 405
    assert answer.headers["Allow"] == ", ".join(route.methods)
    assert not bench.recorder.check_ins


@pytest.mark.parametrize(("route", "method"), ACCEPTED, ids=name_of)
async def test_success_is_exactly_200_with_the_headers_clients_read(
    bench: PingBench, route: Route, method: str
) -> None:
    answer = await bench.ask(method, path_of(route), headers=BEARER)
    assert answer.status == 200
    assert answer.headers["Ping-Body-Limit"] == "10000"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    assert "python" not in answer.headers["Server"].lower()


@pytest.mark.parametrize("agent", BOTS)
@pytest.mark.parametrize("route", ROUTES, ids=name_of)
async def test_a_link_preview_is_no_heartbeat(
    bench: PingBench, route: Route, agent: str
) -> None:
    headers = {**BEARER, "User-Agent": agent}
    answer = await bench.get(path_of(route), headers=headers)
    assert answer.status == 403
    assert not bench.recorder.check_ins


@pytest.mark.parametrize(
    ("dialect", "media"),
    [
        (Dialect.NATIVE, "text/plain"),
        (Dialect.CHECKLY, "text/plain"),
        (Dialect.HONEYBADGER, "text/plain"),
        (Dialect.OVERWATCH, "application/json"),
        (Dialect.FIRST_HEARTBEAT, "application/json"),
    ],
)
async def test_a_dialect_answers_in_its_own_form_also_when_it_refuses(
    bench: PingBench, dialect: Dialect, media: str
) -> None:
    for route in (one for one in ROUTES if one.dialect is dialect):
        good = await bench.get(path_of(route), headers=BEARER)
        bad = await bench.ask("DELETE", path_of(route), headers=BEARER)
        assert (good.status, bad.status) == (200, 405)
        assert good.headers["Content-Type"].startswith(media)
        assert bad.headers["Content-Type"].startswith(media)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_user_agent_is_no_must(bench: PingBench, method: str) -> None:
    skip = {"skip_auto_headers": ["User-Agent"]}
    bench.client.headers.clear()
    assert (await bench.ask(method, f"/{TOKEN}", **skip)).status == 200
    assert bench.last.source == ""


@pytest.mark.parametrize(
    ("query", "headers", "source"),
    [
        ("?host=db-1", {"Origin": "backup-server"}, "backup-server"),
        ("?host=db-1", {}, "db-1"),
        ("", {}, "curl/8.5.0"),
        ("?host=", {"Origin": ""}, "curl/8.5.0"),
        ("?host=" + "x" * 300, {}, "x" * 200),
    ],
)
async def test_the_source_is_origin_else_host_else_user_agent(
    bench: PingBench, query: str, headers: dict[str, str], source: str
) -> None:
    await bench.get(f"/ping/{TOKEN}{query}", headers=headers)
    assert bench.last.source == source


async def test_every_accepted_request_gets_an_id_of_its_own(bench: PingBench) -> None:
    await bench.get(f"/ping/{TOKEN}")
    await bench.get(f"/ping/{TOKEN}")
    assert [one.id for one in bench.recorder.check_ins] == ["id-1", "id-2"]


async def test_requests_are_observed_by_dialect_and_code(bench: PingBench) -> None:
    await bench.get(f"/ping/{TOKEN}")
    await bench.get("/nowhere")
    await bench.ask("PUT", f"/{TOKEN}")
    seen = [(dialect, code) for dialect, code, _ in bench.observed]
    assert seen == [("native", 200), ("", 404), ("checkly", 405)]
    assert all(0 <= seconds < 5 for _, _, seconds in bench.observed)
