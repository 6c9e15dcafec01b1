"""Checkly: the Node.js examples of its page: https, axios, fetch and Vercel.

Each stands in `tests/data/seeds` as on the page, whose white space (lost when such
pages are copied) is restored; the host and the heartbeat's id are replaced when it is
run (`support.seeds`). What the page only sketches, the user's own functions and the
call of the example's, is written after it. TypeScript's types are taken off, as its
compiler does.
"""

import json
import re
from pathlib import Path

import pytest

from support.clients import npm_clients
from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import NODE, Site, Subject, subject

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "data" / "seeds" / "checkly"
SITE = Site(host="ping.checklyhq.com", identifier="your-heartbeat-id")

JOB = """
async function processData() {}
async function generateReports() {}
async function syncDatabase() {}
async function updateCache() {}
async function sendReports() {}
async function getSubscribers() { return ['a@example.com'] }
async function sendNewsletter(subscribers) {}
async function updateMetrics() {}
"""
BROKEN = re.sub(
    r"(generateReports|sendReports|updateMetrics)\(\) {}",
    r"\1() { throw new Error('no disk') }",
    JOB,
)

HTTPS = (EXAMPLES / "https.ts").read_text()
# The example leaves the answer unread: node would wait for its timeout of 5 s.
RUN_HTTPS = "await runScheduledJob(); process.exit(0);"

AXIOS = (EXAMPLES / "axios.ts").read_text()
RUN_AXIOS = "await scheduledTask();"

FETCH = (EXAMPLES / "fetch.js").read_text()
RUN_FETCH = """
await pingHeartbeat('https://ping.checklyhq.com/your-heartbeat-id', 'edge');
"""

VERCEL = (EXAMPLES / "vercel.js").read_text()
RUN_VERCEL = """
const answered = await GET(new Request('http://localhost/api/cron/newsletter'));
console.log(JSON.stringify([answered.status, await answered.json()]));
"""


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


def test_the_https_example_pings(job: Subject) -> None:
    ended = job.run(NODE, without_types(HTTPS) + JOB + RUN_HTTPS)
    payload = job.pinged(ended, "")
    assert "source" not in payload, "that module names nobody, not even itself"
    assert "Heartbeat ping status: 200" in ended.output


def test_the_axios_example_pings(job: Subject) -> None:
    provide_axios(job)
    ended = job.run(NODE, without_types(AXIOS) + JOB + RUN_AXIOS)
    job.pinged(ended, "newsletter-service")
    assert "Heartbeat sent successfully: 200" in ended.output


def test_the_fetch_example_pings(job: Subject) -> None:
    ended = job.run(NODE, FETCH + RUN_FETCH)
    job.pinged(ended, "edge")
    assert "Heartbeat sent successfully" in ended.output


def test_the_vercel_example_pings(job: Subject) -> None:
    ended = job.run(NODE, VERCEL + JOB + RUN_VERCEL)
    job.pinged(ended, "vercel-newsletter")
    *_, last = ended.output.splitlines()
    assert json.loads(last) == [200, {"success": True, "processed": 1}]


def test_the_vercel_example_does_not_ping_for_a_failed_job(job: Subject) -> None:
    ended = job.run(NODE, VERCEL + BROKEN + RUN_VERCEL)
    *_, last = ended.output.splitlines()
    assert json.loads(last) == [500, {"success": False, "error": "no disk"}]
    assert (ended.answers, job.lines()) == ([], [])


def test_the_https_example_does_not_ping_for_a_failed_job(job: Subject) -> None:
    ended = job.run(NODE, without_types(HTTPS) + BROKEN + RUN_HTTPS)
    assert (ended.exit_code, ended.answers, job.lines()) == (1, [], [])
    assert "no disk" in ended.errors


def without_types(example: str) -> str:
    """Take off the few types that the examples have."""
    types = r"\??: (?:string|Promise<void>|Record<string, string>)"
    return re.sub(types, "", example)


def provide_axios(job: Subject) -> None:
    """Put axios where a module of the job's folder finds it, or skip."""
    (job.folder / "node_modules").symlink_to(npm_clients() / "node_modules")
