"""Checkly: the CronJob manifests of its page, on the API server and as scripts.

They stand in `tests/data/seeds` as on the page, whose indentation (lost when such
pages are copied) is restored. Namespace, host and the heartbeat's id are replaced.
Images are not run here; the containers' scripts are, by this machine's `/bin/sh`, and
the absolute paths in them (`/scripts/run-backup.sh`, `/shared/status`), which belong
to those images, are moved into the test's folder.
"""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from support.kube import Kube, wait_until
from support.operators import RunningOperator
from support.resources import MONITORS, Object
from support.seeds import Ended, Site, Subject, subject

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "data" / "seeds" / "checkly"
SITE = Site(host="ping.checklyhq.com", identifier="your-heartbeat-id")
BACKUP = "nightly-backup.yaml"
SIDECAR = "data-processing.yaml"


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


@pytest.mark.parametrize(
    ("file", "schedule"), [(BACKUP, "0 2 * * *"), (SIDECAR, "0 */6 * * *")]
)
def test_a_manifest_is_accepted_and_monitored_by_itself(
    job: Subject, file: str, schedule: str
) -> None:
    host = urlsplit(job.operator.ping).netloc
    manifest = yaml.safe_load(SITE.place(read(file), host, job.token))
    manifest["metadata"]["namespace"] = job.namespace
    stored = job.kube.create(manifest, fieldValidation="Strict")
    name = f"{stored['metadata']['name']}-cronjob"
    monitor = wait_until(job.kube, MONITORS, job.namespace, name, is_judged)
    assert monitor is not None
    assert monitor["status"]["state"] == "New"
    assert monitor["status"]["effective"]["schedule"] == schedule
    assert monitor["status"]["source"]["uid"] == stored["metadata"]["uid"]
    (owner,) = monitor["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("CronJob", stored["metadata"]["uid"])


def test_the_script_pings_after_a_successful_backup(job: Subject) -> None:
    job.provide("/scripts/run-backup.sh")
    ended = run_container(job, BACKUP, "backup-job")
    job.pinged(ended, "k8s-cluster-prod")
    assert "Backup successful, sending heartbeat..." in ended.output


def test_the_script_does_not_ping_after_a_failed_backup(job: Subject) -> None:
    job.provide("/scripts/run-backup.sh", exit_code=1)
    ended = run_container(job, BACKUP, "backup-job")
    assert "Backup failed, no heartbeat sent" in ended.output
    assert (ended.exit_code, ended.answers, job.lines()) == (1, [], [])


def test_the_sidecar_pings_when_the_job_says_success(job: Subject) -> None:
    job.put("/shared/status", "success")
    job.pinged(run_container(job, SIDECAR, "heartbeat"), "curl/")


def test_the_sidecar_does_not_ping_when_the_job_says_failure(job: Subject) -> None:
    job.put("/shared/status", "failure")
    ended = run_container(job, SIDECAR, "heartbeat")
    assert (ended.exit_code, ended.answers, job.lines()) == (0, [], [])


def read(file: str) -> str:
    """Return a manifest of the page."""
    return (EXAMPLES / file).read_text()


def is_judged(found: Object | None) -> bool:
    """Tell whether the operator has written a monitor's schedule."""
    return "schedule" in (found or {}).get("status", {}).get("effective", {})


def run_container(job: Subject, file: str, name: str) -> Ended:
    """Run a container's command and arguments as the kubelet would."""
    pod = yaml.safe_load(read(file))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = (each for each in pod["containers"] if each["name"] == name)
    command = [*container["command"], *container.get("args", [])]
    assert command[:2] == ["/bin/sh", "-c"]
    return job.run(command[:-1], command[-1])
