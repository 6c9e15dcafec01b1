"""The native dialect answers as Healthchecks does, and says more."""

from datetime import timedelta

import pytest

from heartbeats.core.model import Kind
from unit.ping.support import FOREIGN, NOON, TOKEN, PingBench

RID = "2F1ABC4E-0000-4000-8000-00000000ABCD"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        (f"/ping/{TOKEN}", Kind.SUCCESS, None),
        (f"/ping/{TOKEN}/", Kind.SUCCESS, None),
        (f"/ping/{TOKEN}/start", Kind.START, None),
        (f"/ping/{TOKEN}/fail", Kind.FAILURE, None),
        (f"/ping/{TOKEN}/log", Kind.LOG, None),
        (f"/ping/{TOKEN}/0", Kind.SUCCESS, 0),
        (f"/ping/{TOKEN}/1", Kind.FAILURE, 1),
        (f"/ping/{TOKEN}/007", Kind.FAILURE, 7),
        (f"/ping/{TOKEN}/255", Kind.FAILURE, 255),
    ],
)
async def test_a_path_says_what_happened(
    bench: PingBench, method: str, path: str, kind: Kind, code: int | None
) -> None:
    answer = await bench.ask(method, path)
    assert (answer.status, answer.text) == (200, "" if method == "HEAD" else "OK")
    assert (bench.last.kind, bench.last.exit_code) == (kind, code)
    assert bench.last.at == NOON


@pytest.mark.parametrize(
    "key", ["my-project", "12", "start", FOREIGN, TOKEN, "%7Bt%7D"]
)
@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        ("", Kind.SUCCESS),
        ("/", Kind.SUCCESS),
        ("/start", Kind.START),
        ("/fail", Kind.FAILURE),
        ("/log", Kind.LOG),
        ("/3", Kind.FAILURE),
    ],
)
async def test_any_project_key_may_stand_before_the_token(
    bench: PingBench, key: str, rest: str, kind: Kind
) -> None:
    answer = await bench.post(f"/ping/{key}/{TOKEN}{rest}")
    assert (answer.status, bench.last.kind) == (200, kind)
    assert bench.last.exit_code == (3 if rest == "/3" else None)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ping", Kind.SUCCESS),
        ("/ping/start", Kind.START),
        ("/ping/fail", Kind.FAILURE),
        ("/ping/log", Kind.LOG),
        ("/ping/9", Kind.FAILURE),
    ],
)
async def test_the_token_may_come_as_a_bearer(
    bench: PingBench, path: str, kind: Kind
) -> None:
    answer = await bench.post(path, headers={"Authorization": f"bearer {TOKEN}"})
    assert (answer.status, bench.last.kind) == (200, kind)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN])
async def test_a_route_without_any_token_says_how_to_send_one(
    bench: PingBench, header: str
) -> None:
    answer = await bench.post("/ping", headers={"Authorization": header})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.text
    assert not bench.recorder.check_ins


async def test_a_bearer_that_is_not_ours_is_not_found(bench: PingBench) -> None:
    headers = {"Authorization": f"Bearer {TOKEN.upper()}"}
    assert (await bench.get("/ping", headers=headers)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        f"/ping/{TOKEN.upper()}",
        f"/ping/{TOKEN.replace('-', '')}",
        f"/ping/{TOKEN}/START",
        f"/ping/{TOKEN}/fail/",
        f"/ping/{TOKEN}/start/",
        f"/ping/{TOKEN}/-1",
        f"/ping/{TOKEN}/1/",
        f"/ping/{TOKEN}/nonsense",
        f"/ping/{TOKEN}//",
        f"//ping/{TOKEN}",
        f"/ping/{TOKEN}%0A",
        f"/ping/{FOREIGN}",
        f"/ping/{FOREIGN}/fail",
        "/ping/{t}",
        "/ping/{t}/{code}",
        "/ping/{key}/{t}",
        "/ping/not-a-token",
        "/",
        "//",
        "/%",
        "/" * 4000,
    ],
)
async def test_what_is_no_route_or_no_token_of_ours_is_not_found(
    bench: PingBench, path: str
) -> None:
    answer = await bench.get(path)
    assert (answer.status, "not found" in answer.text) == (404, True)
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("code", ["256", "1000", "0256", "9" * 5000])
async def test_an_exit_code_over_255_is_refused(bench: PingBench, code: str) -> None:
    answer = await bench.get(f"/ping/{TOKEN}/{code}")
    assert (answer.status, answer.text) == (400, "invalid url format")
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("suffix", ["", "/start", "/fail", "/log", "/1"])
async def test_a_run_id_pairs_in_any_case(bench: PingBench, suffix: str) -> None:
    answer = await bench.get(f"/ping/{TOKEN}{suffix}?rid={RID}")
    assert answer.status == 200
    assert bench.last.run_id == RID.lower()


@pytest.mark.parametrize("suffix", ["", "/start", "/fail", "/log", "/1"])
@pytest.mark.parametrize(
    "rid", ["", "x", "%0A", f"{RID}%0A", f"{{{RID}}}", RID.replace("-", ""), "%ff"]
)
async def test_a_malformed_run_id_is_refused(
    bench: PingBench, suffix: str, rid: str
) -> None:
    answer = await bench.get(f"/ping/{TOKEN}{suffix}?rid={rid}")
    assert (answer.status, answer.text) == (400, "invalid uuid format")
    assert not bench.recorder.check_ins


async def test_of_a_repeated_parameter_the_last_counts(bench: PingBench) -> None:
    assert (await bench.get(f"/ping/{TOKEN}?rid=junk&rid={RID}")).status == 200


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("run", Kind.START),
        ("complete", Kind.SUCCESS),
        ("ok", Kind.SUCCESS),
        ("fail", Kind.FAILURE),
        ("", Kind.SUCCESS),
    ],
)
async def test_the_state_parameter_says_what_happened(
    bench: PingBench, state: str, kind: Kind
) -> None:
    assert (await bench.get(f"/ping/{TOKEN}?state={state}")).status == 200
    assert bench.last.kind is kind


async def test_an_unknown_state_is_refused_lest_a_failure_counts_as_success(
    bench: PingBench,
) -> None:
    answer = await bench.get(f"/ping/{TOKEN}?state=failed")
    assert answer.status == 400
    assert "fail" in answer.text
    assert not bench.recorder.check_ins


@pytest.mark.parametrize(
    ("query", "kind", "code"),
    [
        ("exit_code=0", Kind.SUCCESS, 0),
        ("exit_code=3", Kind.FAILURE, 3),
        ("state=complete&exit_code=3", Kind.FAILURE, 3),
        ("state=fail&exit_code=0", Kind.FAILURE, 0),
        ("state=run&exit_code=3", Kind.START, 3),
    ],
)
async def test_an_exit_code_that_is_not_0_makes_a_failure(
    bench: PingBench, query: str, kind: Kind, code: int
) -> None:
    assert (await bench.get(f"/ping/{TOKEN}?{query}")).status == 200
    assert (bench.last.kind, bench.last.exit_code) == (kind, code)


@pytest.mark.parametrize("code", ["", "256", "-1", "x", "1.5", "1_0", "%D9%A3"])
async def test_a_malformed_exit_code_is_refused(bench: PingBench, code: str) -> None:
    assert (await bench.get(f"/ping/{TOKEN}?exit_code={code}")).status == 400
    assert not bench.recorder.check_ins


async def test_a_duration_is_in_seconds(bench: PingBench) -> None:
    await bench.get(f"/ping/{TOKEN}?duration=1.5")
    assert bench.last.duration == timedelta(seconds=1.5)


@pytest.mark.parametrize("duration", ["", "x", "nan", "inf", "-1", "1e400", "1e18"])
async def test_a_duration_that_can_not_be_is_ignored(
    bench: PingBench, duration: str
) -> None:
    assert (await bench.get(f"/ping/{TOKEN}?duration={duration}")).status == 200
    assert bench.last.duration is None


@pytest.mark.parametrize("name", ["msg", "message"])
async def test_a_message_may_come_in_the_url(bench: PingBench, name: str) -> None:
    await bench.get(f"/ping/{TOKEN}/fail?{name}=disk+full")
    assert bench.last.message == "disk full"


async def test_a_message_and_a_body_are_both_kept(bench: PingBench) -> None:
    await bench.post(f"/ping/{TOKEN}/fail?msg=disk+full", data=b"df: 100%")
    assert bench.last.message == "disk full\ndf: 100%"
