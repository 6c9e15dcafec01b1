"""The pinger: a GET now and then, sent again at once when it is refused."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import repeat

from heartbeats.demo.pinger import INTERVAL, Pinger


class Clock:
    """Seconds, turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def answering(*codes: int) -> Iterator[tuple[str, list[str]]]:
    """Serve these codes, one a request, then 200; yields the URL and what came."""
    left, came = iter([*codes, *repeat(200, 20)]), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.path)
            self.send_response(next(left))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ping/t", came
        finally:
            server.shutdown()
            thread.join()


def test_it_pings_once_an_interval() -> None:
    clock = Clock()
    with answering() as (url, came):
        pinger = Pinger(lambda: url, clock)
        for clock.now in (0, 1, INTERVAL - 1, INTERVAL, INTERVAL + 1):
            pinger.turn()
    assert came == ["/ping/t"] * 2


def test_a_refused_ping_is_sent_again_at_the_next_turn() -> None:
    with answering(503) as (url, came):
        pinger = Pinger(lambda: url, Clock())
        pinger.turn()
        assert pinger.problem == "The ping was answered with 503 Service Unavailable"
        pinger.turn()
        assert pinger.problem is None
    assert len(came) == 2


def test_it_waits_for_its_url() -> None:
    with answering() as (url, came):
        urls = iter([None, None, url])
        pinger = Pinger(lambda: next(urls), Clock())
        for _ in range(5):
            pinger.turn()
    assert len(came) == 1


def test_nobody_there_is_a_problem_not_a_crash() -> None:
    with answering() as (url, _came):
        pass
    pinger = Pinger(lambda: url, Clock())
    pinger.turn()
    assert (pinger.problem or "").startswith("The ping was not answered")
    assert url not in (pinger.problem or "")
