"""When a ping is sent again, when not, and what is said of it."""

import pytest

from heartbeats.client.pinger import (
    ATTEMPT_SECONDS,
    Answer,
    Budget,
    NoAnswerError,
    Outcome,
    Pinger,
)
from heartbeats.client.requests import PingUrl, Request

REQUEST = PingUrl("https://pings.example.org/ping/t").request()
OK = Answer(200, "OK")


class Time:
    """Patience that a pause uses up at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.pauses: list[float] = []

    def left(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> bool:
        if seconds >= self.seconds:
            return False
        self.pauses.append(seconds)
        self.seconds -= seconds
        return True


class Line:
    """Gives these answers, the last one for ever; a text is no answer."""

    def __init__(self, *answers: Answer | str) -> None:
        self.answers = list(answers)
        self.timeouts: list[float] = []

    def __call__(self, _request: Request, timeout: float) -> Answer:
        self.timeouts.append(timeout)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise NoAnswerError(answer)
        return answer


def ping(line: Line, time: Time) -> Outcome:
    return Pinger(line, lambda: 1.0).ping(REQUEST, time)


def test_a_recorded_ping_is_sent_once() -> None:
    line, time = Line(OK), Time(30)
    assert ping(line, time) == Outcome(True, "pings.example.org answered 200 OK")
    assert line.timeouts == [ATTEMPT_SECONDS]
    assert time.pauses == []


@pytest.mark.parametrize(
    "trouble",
    ["refused", Answer(408, ""), Answer(429, ""), Answer(500, ""), Answer(503, "")],
)
def test_what_passes_is_sent_again_with_growing_pauses(trouble: Answer | str) -> None:
    line, time = Line(*[trouble] * 6, OK), Time(60)
    assert ping(line, time).is_recorded
    assert time.pauses == [0.5, 1, 2, 4, 8, 8]


def test_pauses_differ_between_jobs() -> None:
    time = Time(30)
    Pinger(Line("refused", OK), lambda: 0.0).ping(REQUEST, time)
    assert time.pauses == [0.25]


def test_the_service_is_not_asked_before_it_wants_to_be() -> None:
    line, time = Line(Answer(503, "", 5.0), Answer(429, "", 0.0), OK), Time(30)
    assert ping(line, time).is_recorded
    assert time.pauses == [5, 1]


def test_who_wants_to_be_asked_too_late_is_not_waited_for() -> None:
    time = Time(30)
    outcome = ping(Line(Answer(503, "not ready", 60.0)), time)
    assert outcome == Outcome(
        False, "pings.example.org answered 503 not ready (attempts: 1)"
    )
    assert time.pauses == []


def test_the_last_trouble_is_told_when_the_time_is_over() -> None:
    line = Line("Connection refused")
    outcome = ping(line, Time(30))
    assert not outcome.is_recorded
    assert "pings.example.org can't be reached: Connection refused" in outcome.text
    assert outcome.text.endswith(f"(attempts: {len(line.timeouts)})")


def test_an_attempt_takes_no_longer_than_there_is_time() -> None:
    line = Line(OK)
    ping(line, Time(2))
    assert line.timeouts == [2]


def test_without_time_nothing_is_sent() -> None:
    line = Line(OK)
    assert "no time" in ping(line, Time(0)).text
    assert line.timeouts == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404, "not found"), "heartbeats url NAMESPACE/NAME"),
        (Answer(400, "invalid uuid format"), "invalid uuid format"),
        (Answer(401, ""), "login"),
        (Answer(403, ""), "refuses"),
        (Answer(405, "use GET"), "/ping/TOKEN"),
        (Answer(301, "https://other/"), "https://other/: ping that address"),
        (Answer(418, ""), "see where the URL leads"),
        (Answer(204, ""), "see where the URL leads"),
        (Answer(200, "<html>Please log in"), "OK alone"),
        (Answer(200, "OK (not found)"), "OK alone"),
    ],
)
def test_anything_else_is_final_and_says_what_to_do(answer: Answer, words: str) -> None:
    line = Line(answer)
    outcome = ping(line, Time(30))
    assert not outcome.is_recorded
    assert words in outcome.text
    assert str(answer.status) in outcome.text
    assert len(line.timeouts) == 1


def test_a_budget_that_is_in_a_hurry_allows_no_pause() -> None:
    budget = Budget(60)
    assert budget.pause(0.001)
    assert not budget.pause(61)
    budget.hurry()
    assert not budget.pause(0.001)
    assert budget.left() > 0
