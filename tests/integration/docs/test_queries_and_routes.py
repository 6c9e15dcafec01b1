"""Queries and routes in the documentation, as promtool and amtool understand them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.alert_rules import ROOT
from support.alert_tools import AlertTools
from support.written import fences, pages

pytestmark = pytest.mark.integration

QUERIES = [(page, text) for page in pages() for text in fences(page, "promql")]
[NOT_TWICE] = fences(ROOT / "docs" / "operations.md", "promql")
JOBS = 'kube_job_failed{namespace="shop",job_name="%s",condition="true"}'
OWNER = 'kube_job_owner{namespace="shop",job_name="%s",owner_kind="%s",owner_name="%s"}'
MONITOR = (
    'heartbeat_monitor_info{namespace="shop",heartbeatmonitor="backup-cronjob",'
    'source="cronJob",cronjob="backup",pod="%s"}'
)


def test_every_query_is_understood(alert_tools: AlertTools, tmp_path: Path) -> None:
    assert len(QUERIES) > 1
    rules = [
        {"alert": f"Query{number}", "expr": text}
        for number, (_, text) in enumerate(QUERIES)
    ]
    said = checked(alert_tools, tmp_path, rules)
    assert said.returncode == 0, said.stdout + said.stderr


def checked(tools: AlertTools, folder: Path, rules: list[Any]) -> Any:
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "docs", "rules": rules}]}))
    return tools.promtool("check", "rules", str(file))


def test_a_failed_job_is_left_to_heartbeats_only_while_it_watches_it(
    alert_tools: AlertTools, tmp_path: Path
) -> None:
    """Those of others fire, and all of them when Heartbeats is gone."""
    checked(alert_tools, tmp_path, [{"alert": "KubeJobFailed", "expr": NOT_TWICE}])
    series = [
        JOBS % "backup-29921833",
        JOBS % "left-out-29921833",
        JOBS % "by-hand",
        OWNER % ("backup-29921833", "CronJob", "backup"),
        OWNER % ("left-out-29921833", "CronJob", "left-out"),
        OWNER % ("by-hand", "", ""),
    ]
    always = [{"series": each, "values": "1x20"} for each in series]
    # A new pod tells of the same monitor; later there is none.
    ours = [
        {"series": MONITOR % "a", "values": "1x10 stale"},
        {"series": MONITOR % "b", "values": "_x5 1x5 stale"},
    ]
    told = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": always + ours,
                "alert_rule_test": [
                    firing("5m", "left-out-29921833", "by-hand"),
                    firing("8m", "left-out-29921833", "by-hand"),
                    firing("15m", "backup-29921833", "left-out-29921833", "by-hand"),
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(json.dumps(told))
    said = alert_tools.promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert said.returncode == 0, said.stdout + said.stderr


def firing(at: str, *jobs: str) -> Any:
    labels = [
        {"namespace": "shop", "job_name": job, "condition": "true"} for job in jobs
    ]
    expected = [{"exp_labels": each} for each in labels]
    return {"eval_time": at, "alertname": "KubeJobFailed", "exp_alerts": expected}


@pytest.mark.parametrize(
    ("job", "receiver"), [("backup-29921833", "null"), ("by-hand", "everybody")]
)
def test_only_jobs_of_cron_jobs_are_dropped_by_the_route(
    alert_tools: AlertTools, tmp_path: Path, job: str, receiver: str
) -> None:
    [route] = fences(ROOT / "docs" / "operations.md", "yaml")
    config = {
        "route": {"receiver": "everybody", **yaml.safe_load(route)},
        "receivers": [{"name": "everybody"}, {"name": "null"}],
    }
    file = tmp_path / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(config))
    asked = ("config", "routes", "test", f"--config.file={file}")
    said = alert_tools.amtool(*asked, "alertname=KubeJobFailed", f"job_name={job}")
    assert said.stdout.split() == [receiver], said.stderr
