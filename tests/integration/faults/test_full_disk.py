"""Nothing can be written to the event log, neither to its file nor to its stream."""

from pathlib import Path

import pytest

from support.keys import until
from support.kube import Kube, wait_until
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, until_answers
from support.resources import MONITORS
from support.restarts import OPENED, PATIENCE, PINGS, path_of
from support.scrapes import total
from support.vigil import assert_well
from support.workloads import has_said, ping_monitor, told

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

FULL = "/dev/full"
"""Refuses every byte as a full disk does."""

LOST = "event_log_failures_total"


def test_a_full_disk_costs_lines_and_no_verdict(
    own: Own, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Statuses, Events and metrics do not wait for the log; what it lost is counted."""
    log = tmp_path / "events.jsonl"
    log.symlink_to(FULL)
    flags = ("--kubeconfig", str(own.operator), "--event-log", str(log), *FREE_PORTS)
    with Process("run", *flags, output=FULL) as process:
        url = process.wait_for(PINGS, within=PATIENCE)
        process.wait_for(OPENED, within=PATIENCE)
        kube.create(ping_monitor(namespace, "job", interval="24h"))
        url += path_of(kube, namespace, "job")
        for rest, word in (("", "Up"), ("/fail", "Down")):
            until_answers(f"{url}{rest}", within=PATIENCE)
            wait_until(kube, MONITORS, namespace, "job", has_said(word))
        assert told(kube, namespace, "job", "RunFailed")
        assert total(process, LOST) >= 4, "two lines in two places"
        for where in (str(log), "standard output"):
            said = f"the event log can't write to {where}: [Errno 28] No space left"
            assert process.said.count(said) == 1
        assert_well(process)
        log.unlink()
        until_answers(url)
        wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        until(log.exists)
        process.wait_for(f"the event log writes to {log} again")
        assert '"status":"success"' in log.read_text()
        assert process.end() == 0
    assert "Traceback" not in process.said
