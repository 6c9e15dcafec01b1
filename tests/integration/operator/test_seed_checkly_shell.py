"""Checkly: the examples of its page for shells, curl, wget and hosted crons.

Each stands as on the page, whose white space (lost when such pages are copied) is
restored; the host and the heartbeat's id are replaced when it is run
(`support.seeds`). The programs of the user's job are put on PATH; `/tmp/backup.sql`
is moved into the test's folder, where no other run writes it.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import BASH, Site, Subject, subject

pytestmark = pytest.mark.integration

SITE = Site(host="ping.checklyhq.com", identifier="your-heartbeat-id")
SHORT_SITE = Site(host="ping.checklyhq.com", identifier="your-id")
"""How the page's section on troubleshooting writes the id."""

BASIC = "curl -m 5 --retry 3 https://ping.checklyhq.com/your-heartbeat-id"
WITH_SOURCE = r"""
curl -m 5 --retry 3 \
  -H "Origin: backup-server-prod" \
  https://ping.checklyhq.com/your-heartbeat-id
"""
SILENT = r"""
curl -m 5 --retry 3 -s \
  https://ping.checklyhq.com/your-heartbeat-id
"""
WGET = r"""
wget -T 5 -t 3 -q -O /dev/null \
  https://ping.checklyhq.com/your-heartbeat-id
"""
RETRY_DELAY = "curl -m 5 --retry 3 --retry-delay 2 https://ping.checklyhq.com/your-id"
LONGER = "curl --connect-timeout 10 -m 30 --retry 3 https://ping.checklyhq.com/your-id"

BACKUP = r"""#!/bin/bash
set -e  # Exit on any error

echo "Starting database backup..."
pg_dump production_db > /tmp/backup.sql

echo "Uploading to S3..."
aws s3 cp /tmp/backup.sql s3://backups/$(date +%Y%m%d).sql

echo "Cleaning up..."
rm /tmp/backup.sql

echo "Sending success ping..."
wget -T 5 -t 3 -q -O /dev/null \
  https://ping.checklyhq.com/your-heartbeat-id

echo "Backup completed successfully!"
"""
HEROKU = (
    "run_task.sh && curl -m 5 --retry 3 https://ping.checklyhq.com/your-heartbeat-id"
)
RENDER = """#!/bin/bash
# Render cron job script

# Run your task
python process_data.py

# Only ping if successful (exit code 0)
if [ $? -eq 0 ]; then
  curl -m 5 --retry 3 https://ping.checklyhq.com/your-heartbeat-id
fi
"""
RAILWAY = r"""
npm run data-sync && \
curl -m 5 --retry 3 https://ping.checklyhq.com/your-heartbeat-id
"""
MULTI_STEP = """#!/bin/bash
set -e

HEARTBEAT_URL="https://ping.checklyhq.com/your-heartbeat-id"
JOB_FAILED=false

# Function to send heartbeat on success
send_success_heartbeat() {
  if [ "$JOB_FAILED" = false ]; then
    curl -m 5 --retry 3 -H "Origin: multi-step-job" "$HEARTBEAT_URL"
    echo "Success heartbeat sent"
  fi
}

# Trap to ensure heartbeat is sent on successful completion
trap send_success_heartbeat EXIT

# Step 1: Download data
echo "Step 1: Downloading data..."
if ! download_data.sh; then
  echo "Data download failed"
  JOB_FAILED=true
  exit 1
fi

# Step 2: Process data
echo "Step 2: Processing data..."
if ! process_data.sh; then
  echo "Data processing failed"
  JOB_FAILED=true
  exit 1
fi

# Step 3: Upload results
echo "Step 3: Uploading results..."
if ! upload_results.sh; then
  echo "Results upload failed"
  JOB_FAILED=true
  exit 1
fi

echo "All steps completed successfully"
# Heartbeat will be sent by the EXIT trap
"""
STEPS = ("download_data.sh", "process_data.sh", "upload_results.sh")

COMMANDS = [
    pytest.param(SITE, BASIC, "curl/", id="basic"),
    pytest.param(SITE, WITH_SOURCE, "backup-server-prod", id="with-source"),
    pytest.param(SITE, SILENT, "curl/", id="silent"),
    pytest.param(SITE, WGET, "Wget/", id="wget"),
    pytest.param(SHORT_SITE, RETRY_DELAY, "curl/", id="retry-delay"),
    pytest.param(SHORT_SITE, LONGER, "curl/", id="connect-timeout"),
]
JOBS = [
    pytest.param(BACKUP, ("pg_dump", "aws"), "Wget/", id="backup"),
    pytest.param(HEROKU, ("run_task.sh",), "curl/", id="heroku"),
    pytest.param(RENDER, ("python",), "curl/", id="render"),
    pytest.param(RAILWAY, ("npm",), "curl/", id="railway"),
    pytest.param(MULTI_STEP, STEPS, "multi-step-job", id="multi-step"),
]
FAILURES = [
    pytest.param(BACKUP, "pg_dump", id="backup-dump"),
    pytest.param(BACKUP, "aws", id="backup-upload"),
    pytest.param(HEROKU, "run_task.sh", id="heroku"),
    pytest.param(RENDER, "python", id="render"),
    pytest.param(RAILWAY, "npm", id="railway"),
    pytest.param(MULTI_STEP, "download_data.sh", id="multi-step-1"),
    pytest.param(MULTI_STEP, "process_data.sh", id="multi-step-2"),
    pytest.param(MULTI_STEP, "upload_results.sh", id="multi-step-3"),
]
PROGRAMS = ("pg_dump", "aws", "run_task.sh", "python", "npm", *STEPS)


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    found = subject(kube, operator, namespace, SITE, tmp_path)
    (tmp_path / "tmp").mkdir()
    found.moved.append("/tmp/backup.sql")
    return found


@pytest.mark.parametrize(("site", "example", "source"), COMMANDS)
def test_a_command_pings(job: Subject, site: Site, example: str, source: str) -> None:
    job.pinged(replace(job, site=site).run(BASH, example), source)


@pytest.mark.parametrize(("example", "programs", "source"), JOBS)
def test_a_job_that_succeeds_pings_at_its_end(
    job: Subject, example: str, programs: tuple[str, ...], source: str
) -> None:
    for name in programs:
        job.provide(name)
    job.pinged(job.run(BASH, example), source)


@pytest.mark.parametrize(("example", "failing"), FAILURES)
def test_a_job_that_fails_does_not_ping(
    job: Subject, example: str, failing: str
) -> None:
    """The page: only send pings when your task completes successfully."""
    for name in PROGRAMS:
        job.provide(name, exit_code=1 if name == failing else 0)
    assert job.run(BASH, example).answers == []
    assert job.lines() == []
