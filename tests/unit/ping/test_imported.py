"""Tokens from elsewhere: found wherever a token of ours may stand in a path."""

import pytest

from heartbeats.core.model import Kind, MonitorKey, Uid
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.edges.ping.routes import ROUTES, Router
from unit.ping.support import FOREIGN, TOKEN, PingBench

SNITCH, SLUG = "c2354d53d2", "0a1b2c3d/nightly-backup"
IMPORTED = MonitorView(key=MonitorKey("production", "moved"), uid=Uid("uid-2"))
LONGEST = "x" * 128


def imported(bench: PingBench, *tokens: str) -> None:
    """Let a monitor have tokens from elsewhere."""
    bench.directory.views |= dict.fromkeys(tokens, IMPORTED)


@pytest.mark.parametrize(
    ("path", "token", "kind"),
    [
        (f"/ping/{FOREIGN}", FOREIGN, Kind.SUCCESS),
        (f"/{FOREIGN}", FOREIGN, Kind.SUCCESS),
        (f"/ping/{FOREIGN.upper()}", FOREIGN.upper(), Kind.SUCCESS),
        (f"/ping/{SNITCH}", SNITCH, Kind.SUCCESS),
        (f"/ping/{SNITCH}/", SNITCH, Kind.SUCCESS),
        (f"/ping/{SNITCH}/start", SNITCH, Kind.START),
        (f"/ping/{SNITCH}/fail", SNITCH, Kind.FAILURE),
        (f"/ping/{SNITCH}/3", SNITCH, Kind.FAILURE),
        (f"/ping/{LONGEST}", LONGEST, Kind.SUCCESS),
        (f"/ping/{SLUG}", SLUG, Kind.SUCCESS),
        (f"/ping/{SLUG}/log", SLUG, Kind.LOG),
        (f"/ping/{SLUG}/1", SLUG, Kind.FAILURE),
        (f"/v1/check_in/{SNITCH}", SNITCH, Kind.SUCCESS),
        (f"/v1/check_in/{SLUG}", SLUG, Kind.SUCCESS),
        (f"/api/v1/hb/{SNITCH}", SNITCH, Kind.SUCCESS),
        (f"/api/v1/monitors/{SNITCH}/checkin", SNITCH, Kind.SUCCESS),
    ],
)
async def test_an_imported_token_is_pinged_where_it_stood_before(
    bench: PingBench, path: str, token: str, kind: Kind
) -> None:
    imported(bench, token)
    assert (await bench.get(path)).status == 200
    assert bench.last.kind is kind
    assert bench.recorder.views == [IMPORTED]


@pytest.mark.parametrize(
    "path",
    [f"/ping/{SNITCH}", f"/ping/{SLUG}/start", f"/{FOREIGN}", f"/v1/check_in/{SLUG}"],
)
async def test_while_caches_warm_an_unknown_word_is_not_refused_for_good(
    bench: PingBench, path: str
) -> None:
    bench.directory.synced = False
    assert (await bench.get(path)).status == 503
    bench.directory.synced = True
    assert (await bench.get(path)).status == 404


async def test_a_bearer_may_be_imported_too(bench: PingBench) -> None:
    imported(bench, SNITCH)
    headers = {"Authorization": f"Bearer {SNITCH}"}
    assert (await bench.get("/ping", headers=headers)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/ping/nightly-backup",  # the name of a job alone is no secret
        "/ping/other/nightly-backup",
        f"/{SNITCH}",
        f"/ping/{SNITCH}%20",
        f"/ping/{SNITCH}/start/now",
        f"/ping/{LONGEST}x",
        f"/ping/x/{SLUG}",
    ],
)
async def test_what_comes_close_is_not_found(bench: PingBench, path: str) -> None:
    imported(bench, SNITCH, SLUG, LONGEST)
    assert (await bench.get(path)).status == 404
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("path", [each.path for each in ROUTES])
def test_a_word_never_takes_a_route_away_from_ours(path: str) -> None:
    real = path.replace("{t}", TOKEN).replace("{code}", "7").replace("{key}", "any")
    found = Router(ROUTES).find(real)
    assert found is not None
    assert found.route.path == path
    assert found.token == (TOKEN if "{t}" in path else "")
