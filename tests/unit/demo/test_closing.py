"""The last words: Events in columns, and the gauge that says Down."""

from heartbeats.demo.api import Told, row_of
from heartbeats.demo.closing import events_text, gauge
from heartbeats.demo.story import LAPTOP, REPORT, Row

SERIES = (
    'heartbeat_monitor_state{{namespace="heartbeats-demo",'
    'heartbeatmonitor="{name}",state="{state}"}} {value}'
)


def line(name: str, state: str, value: int) -> str:
    return SERIES.format(name=name, state=state, value=value)


def test_the_gauge_is_the_one_of_the_failing_cron_job() -> None:
    wanted = line(REPORT.name, "Down", 1)
    others = [line(REPORT.name, "Up", 0), line(LAPTOP.name, "Down", 1)]
    assert gauge("\n".join([*others, wanted])) == wanted


def test_a_gauge_that_says_zero_is_not_shown_as_down() -> None:
    assert gauge(line(REPORT.name, "Down", 0)) is None
    assert gauge("") is None


def test_events_are_written_in_columns() -> None:
    events = [
        Told("2026-11-21T14:51:09.000000Z", "Warning", "RunMissed", "a", "Up -> Down"),
        Told("2026-11-21T14:51:12.000000Z", "Normal", "Recovered", "a", "Down -> Up"),
    ]
    assert events_text(events) == [
        "  2026-11-21T14:51:09Z  Warning  RunMissed  a  Up -> Down",
        "  2026-11-21T14:51:12Z  Normal   Recovered  a  Down -> Up",
    ]
    assert events_text([]) == ["  none yet"]


def test_a_monitor_without_a_status_has_empty_cells() -> None:
    item = {"metadata": {"namespace": LAPTOP.namespace, "name": LAPTOP.name}}
    assert row_of(item) == Row(LAPTOP)


def test_the_reason_is_that_of_the_condition_healthy() -> None:
    conditions = [
        {"type": "Ready", "status": "True", "reason": "Accepted"},
        {"type": "Healthy", "status": "False", "reason": "RunFailed"},
    ]
    item = {
        "metadata": {"namespace": REPORT.namespace, "name": REPORT.name},
        "status": {"state": "Down", "conditions": conditions},
    }
    assert (row_of(item).state, row_of(item).reason) == ("Down", "RunFailed")
