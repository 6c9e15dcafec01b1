"""An API server that refuses everything for a while, or takes its time.

A proxy before the real one does it to both roles; the controllers, and whoever looks,
go past it.
"""

from dataclasses import dataclass
from http import HTTPStatus

import pytest

from support.ailments import Ailment
from support.kube import Kube, wait_until
from support.operators import forget_leader
from support.resources import MONITORS
from support.restarts import run_role
from support.rigged import Rigged
from support.scrapes import total
from support.traps import Asked, asks
from support.vigil import Vigil
from support.workloads import has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

PAST_THE_LEASE = 15.0
"""Seconds after which a leader that could not renew has stopped, and a deadline of what
pings has passed."""

WITHIN_THE_LEASE = 7.0
RETRY_AFTER = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to everything, and for how many seconds."""

    code: int
    seconds: float
    retry_after: int = 0

    def ailment(self) -> Ailment:
        """Return what the rig is to do."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        return Ailment(self.code, headers)


REFUSALS = [
    Refusal(500, PAST_THE_LEASE),
    Refusal(429, WITHIN_THE_LEASE, RETRY_AFTER),
    Refusal(401, PAST_THE_LEASE),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: str(one.code))
def test_refusals_for_a_while_lose_nothing_and_alarm_nobody(
    vigil: Vigil, rigged: Rigged, refusal: Refusal
) -> None:
    """Pings are refused meanwhile, and what could not be heard is held against none."""
    with rigged.rig.ailing(refusal.ailment()) as ailment:
        vigil.wait_answered(HTTPStatus.SERVICE_UNAVAILABLE)
        vigil.let_run_end_well()
        vigil.lasts(refusal.seconds)
    vigil.check()
    apart, code = rigged.apart, str(refusal.code)
    for process in (apart.operator, apart.pings):
        assert f"The watch was interrupted: {ailment.message}" in process.said
        assert total(process, "api_writes_total", code=code) > 0
        assert "Traceback" not in process.said
    assert f"Pings are refused: {ailment.message}" in apart.pings.said
    assert total(apart.pings, "ping_requests_total", code="503") > 0
    assert total(apart.operator, "watch_restarts_total") > 0
    if refusal.retry_after:
        lists = [each for each in ailment.asked if is_of_cron_jobs(each)]
        assert len(lists) <= refusal.seconds / refusal.retry_after + 2


def is_of_cron_jobs(asked: Asked) -> bool:
    """Tell requests of a stream, which may wait, from those that may not."""
    return asked.path.endswith("/cronjobs")


def test_answers_that_take_two_seconds_delay_and_lose_nothing(
    vigil: Vigil, rigged: Rigged
) -> None:
    """Pings are stored, silence is told, and nobody is suspected of what is late."""
    with rigged.rig.ailing(Ailment(delay=2.0)):
        vigil.let_run_end_well()
        spec = {"interval": "24h", "firstCheckInWithin": "5s"}
        vigil.kube.create(ping_monitor(vigil.namespace, "silent", **spec))
        wait_until(
            vigil.kube,
            MONITORS,
            vigil.namespace,
            "silent",
            has_said("Down"),
            timeout=120,
        )
        assert rigged.apart.operator.said.count("Leading no more") == 0
        assert len(vigil.job.acknowledged) > 0.9 * len(vigil.job.answers)
    vigil.check()
    assert vigil.alarms("silent") == ["RunMissed"]
    apart = rigged.apart
    for process in (apart.operator, apart.pings):
        slow = total(process, "api_request_seconds_bucket", le="+Inf") - total(
            process, "api_request_seconds_bucket", le="1.0"
        )
        assert slow > 0, "the metric tells of answers that took more than a second"


def test_an_api_server_that_serves_no_monitors_yet_is_waited_for(
    kube: Kube, namespace: str, rigged: Rigged
) -> None:
    """One that has just started does not: kopf, which looks once, would see none."""
    group = asks("GET", f"/apis/{MONITORS.api_version}")
    apart = rigged.apart
    apart.operator.close()
    forget_leader(kube)
    with rigged.rig.ailing(Ailment(HTTPStatus.NOT_FOUND, rule=group)):
        apart.operator = run_role(apart.own.operator, "operator", apart.event_log)
        apart.operator.wait_for("Waiting until heartbeatmonitors are served")
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    wait_until(kube, MONITORS, namespace, "job", has_said("New"))
