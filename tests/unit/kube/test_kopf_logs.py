"""What kopf says of its requests: once a minute, however often it tries."""

import logging
from importlib import import_module
from inspect import getsource

import pytest

from heartbeats.edges.kube.handlers import settings
from heartbeats.edges.kube.kopf_logs import AGAIN_SECONDS, CLIENTS, Calm

TRY = "Request attempt #{}/604 failed; will retry: GET http://api/{}?resourceVersion={}"


def line(number: int, plural: str = "crds") -> logging.LogRecord:
    text = TRY.format(number, plural, 100 + number)
    return logging.LogRecord("kopf", logging.ERROR, "", 0, text, (), None)


def test_each_request_that_fails_is_told_once_a_minute() -> None:
    now = 0.0
    calm = Calm(lambda: now)
    assert calm.filter(line(1))
    assert calm.filter(line(1, "monitors")), "another one is news"
    for number in range(2, 60):
        now = float(number)
        assert not calm.filter(line(number))
    now = AGAIN_SECONDS
    assert calm.filter(line(61))
    assert len(calm._said_at) == 1


def test_kopf_s_clients_are_calmed_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        settings()
    for name in CLIENTS:
        logger = logging.getLogger(name)
        assert sum(isinstance(each, Calm) for each in logger.filters) == 1
    for number in range(5):
        text = TRY.format(number, "of-this-test", number)
        logging.getLogger(CLIENTS[0]).error(text)
    assert caplog.text.count("of-this-test") == 1


@pytest.mark.parametrize("name", CLIENTS)
def test_kopf_logs_its_requests_where_they_are_calmed(name: str) -> None:
    """It hands the logger of the module that wants something to the one that asks."""
    module = import_module(name)
    assert module.logger.name == name
    assert "logger=logger" in getsource(module)
