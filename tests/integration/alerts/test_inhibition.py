"""What Alertmanager does with alerts that come together: one cause, one notice."""

from collections.abc import Iterator

import pytest

from support.alert_stack import Labels, Stack, running_stack, wait
from support.alert_tools import AlertTools

pytestmark = pytest.mark.integration

JOB = {"namespace": "shop", "heartbeatmonitor": "backup", "owner": "payments"}
HELD_BACK = "suppressed"


@pytest.fixture
def stack(
    alert_tools: AlertTools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack(alert_tools, tmp_path_factory.mktemp("stack")) as running:
        yield running


def about_jobs(*names: str) -> list[Labels]:
    return [{"alertname": name, "severity": "warning", **JOB} for name in names]


@pytest.mark.parametrize(
    ("cause", "held", "told"),
    [
        (
            {"alertname": "HeartbeatManyMonitorsDown", "severity": "critical"},
            {"HeartbeatMonitorDown", "HeartbeatMonitorUnknown"},
            {"HeartbeatMonitorMisconfigured"},
        ),
        (
            {"alertname": "HeartbeatOperatorAbsent", "severity": "critical"},
            {"HeartbeatMonitorDown", "HeartbeatMonitorPausedLong"},
            {"HeartbeatPingKeyLost"},
        ),
        (
            {"alertname": "HeartbeatOperatorNotLeading", "severity": "critical"},
            {"HeartbeatMonitorDeadlinePassed", "HeartbeatManyMonitorsDown"},
            {"HeartbeatJournalFilling"},
        ),
        (
            {"alertname": "HeartbeatOperatorBlind", "severity": "critical"},
            {"HeartbeatMonitorDeadlinePassed", "HeartbeatMonitorUnknown"},
            {"HeartbeatMonitorDown"},
        ),
        (
            {"alertname": "HeartbeatMonitorDown", "severity": "warning", **JOB},
            {"HeartbeatMonitorFailingRepeatedly", "HeartbeatMonitorDeadlinePassed"},
            {"HeartbeatMonitorUnknown"},
        ),
        (
            {"alertname": "HeartbeatMonitorMisconfigured", **JOB},
            {"HeartbeatMonitorUnknown"},
            {"HeartbeatMonitorPausedLong"},
        ),
        (
            {**about_jobs("HeartbeatMonitorDown")[0], "heartbeatmonitor": "another"},
            set(),
            {"HeartbeatMonitorFailingRepeatedly"},
        ),
    ],
    ids=lambda each: each.get("alertname") if isinstance(each, dict) else None,
)
def test_a_cause_holds_back_what_follows_from_it_and_nothing_else(
    stack: Stack, cause: Labels, held: set[str], told: set[str]
) -> None:
    stack.post_alerts(cause, *about_jobs(*held, *told))
    # The cause is a notice of its own, and may come after the others.
    wanted = told | {cause["alertname"]}
    wait(
        lambda: wanted <= {each.alert for each in stack.receivers.told},
        f"notices of {wanted}",
    )
    # Those that are held back would have come with the others, in the same second.
    states = stack.states()
    assert {name for name, state in states.items() if state == HELD_BACK} == held
    named = {each.alert for each in stack.receivers.told}
    assert named == wanted
