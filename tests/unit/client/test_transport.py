"""One attempt over HTTP, on this machine."""

import threading
from datetime import timedelta
from email.utils import format_datetime
from http.client import HTTPConnection

import pytest

from heartbeats.client.courier import Courier, carry
from heartbeats.client.pinger import Answer, NoAnswerError
from heartbeats.client.requests import PingUrl, Request
from heartbeats.client.transport import Attempt
from support.builders import SetClock
from support.pings import PingService, Reply


def request(service: PingService, body: bytes = b"") -> Request:
    return PingUrl(service.url).request("start", run_id="r", body=body)


def send(service: PingService, body: bytes = b"") -> Answer:
    return Attempt(SetClock()).send(request(service, body), 10)


def test_a_ping_arrives_as_it_was_meant(service: PingService) -> None:
    assert send(service, b"\xff end") == Answer(200, "OK")
    [came] = service.came
    assert (came.signal, came.query, came.body) == ("start", {"rid": "r"}, b"\xff end")


def test_a_redirect_is_told_and_not_followed(service: PingService) -> None:
    headers = {"Location": f"{service.url}/other"}
    service.replies.append(Reply(302, b"moved", headers))
    assert send(service) == Answer(302, f"{service.url}/other")
    assert len(service.came) == 1


def test_an_answer_is_shown_as_one_clean_line(service: PingService) -> None:
    service.replies.append(Reply(503, b"\n\x1b[31mnot ready\nmore" + b"x" * 9999))
    assert send(service).text == "[31mnot ready"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5), ("", None), ("soon", None), ("-1", None), ("\xb2", None)],
)
def test_retry_after_is_in_seconds(
    service: PingService, header: str, seconds: float | None
) -> None:
    service.replies.append(Reply(503, b"", {"Retry-After": header}))
    assert send(service).retry_after == seconds


def test_retry_after_may_be_a_date(service: PingService) -> None:
    now = SetClock().now()
    for at, seconds in ((now + timedelta(seconds=7), 7), (now - timedelta(1), 0)):
        headers = {"Retry-After": format_datetime(at, usegmt=True)}
        service.replies.append(Reply(503, b"", headers))
        found = send(service).retry_after
        assert found is not None
        assert abs(found - seconds) <= 1  # a date has whole seconds


def test_nobody_there_is_no_answer() -> None:
    nobody = PingUrl("http://127.0.0.1:1/ping/t").request()
    with pytest.raises(NoAnswerError, match="Connection refused"):
        Attempt(SetClock()).send(nobody, 10)


def test_a_silent_service_is_no_answer(service: PingService) -> None:
    gate = threading.Event()
    service.replies.append(Reply(gate=gate))
    with pytest.raises(NoAnswerError, match="in time"):
        Attempt(SetClock()).send(request(service), 0.05)
    gate.set()


def test_an_aborted_attempt_ends(service: PingService) -> None:
    gate = threading.Event()
    service.replies.append(Reply(gate=gate))
    attempt = Attempt(SetClock())
    ended: list[BaseException] = []

    def work() -> None:
        try:
            attempt.send(request(service), 30)
        except NoAnswerError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    service.wait_for(1)
    attempt.abort()
    thread.join(10)
    gate.set()
    assert ended


def test_what_was_aborted_before_it_connected_is_never_sent(
    service: PingService,
) -> None:
    attempt = Attempt(SetClock())
    attempt.abort()
    with pytest.raises(NoAnswerError, match="given up"):
        attempt.send(request(service), 10)
    assert service.came == []


def test_a_ping_is_repeated_until_it_is_recorded(service: PingService) -> None:
    service.replies.append(Reply(503, b"not ready"))
    assert carry(request(service), 20).is_recorded
    assert len(service.came) == 2


def test_a_courier_that_is_given_up_sends_no_more(service: PingService) -> None:
    gate = threading.Event()
    service.replies.append(Reply(503, gate=gate))
    courier = Courier(request(service), 60)
    courier.start()
    service.wait_for(1)
    outcome = courier.last_call(0.01)
    gate.set()
    assert "has not answered" in outcome.text
    assert carry(request(service), 20).is_recorded
    assert len(service.came) == 2


def test_an_error_of_ours_is_an_outcome(
    service: PingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(HTTPConnection, "request", break_down)
    assert carry(request(service), 5).text == "the ping failed: MemoryError('no more')"
