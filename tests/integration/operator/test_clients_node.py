"""Node's clients: axios, and the client of Healthchecks that is built on it.

They are installed from their registry by a lock file; without npm the tests skip.
"""

from pathlib import Path
from uuid import uuid4

import pytest

from support.clients import NOT_NOW, customer, npm_clients, run, told
from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import Ended, Subject

pytestmark = pytest.mark.integration

RID = str(uuid4())
OK = (200, "OK")
REFUSED = (503, "")

AXIOS = f"""
const axios = require('axios')
const url = 'http://{{host}}/ping/{{token}}'
async function main() {{
  await axios.get(url + '/start', {{ params: {{ rid: '{RID}' }} }})
  const answer = await axios.post(url + '/2?rid={RID}', 'no disk')
  if (answer.data !== 'OK') throw new Error(answer.data)
}}
main()
"""
RETRYING = """
const axios = require('axios')
const { default: retry } = require('axios-retry')
const again = error => error.response?.status === 503
retry(axios, { retries: 3, retryDelay: retry.exponentialDelay, retryCondition: again })
axios.post('http://{host}/ping/{token}/fail', { disk: 'full' })
"""
HEALTHCHECKS = """
const { HealthChecksPingClient } = require('healthchecks-io-client')
const options = { uuid: '{token}', baseUrl: 'http://{host}/ping', returnResponse: true }
const client = new HealthChecksPingClient(options)
async function main() {
  for (const ping of [() => client.start(), () => client.fail('no disk'),
                      () => client.success()]) {
    const said = await ping()
    if (said !== 'OK') throw new Error(said)
  }
}
main()
"""


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return customer(kube, operator, namespace, tmp_path)


def run_node(job: Subject, program: str, *, refusals: tuple[bytes, ...] = ()) -> Ended:
    """Run a program beside the installed clients."""
    (job.folder / "node_modules").symlink_to(npm_clients() / "node_modules")
    return run(job, "node", "-e", program, refusals=refusals)


def test_axios_reports_start_and_exit_code_of_one_run(job: Subject) -> None:
    ended = run_node(job, AXIOS)
    assert (ended.exit_code, ended.answers) == (0, [OK, OK]), ended
    job.wait("Down")
    begun, over = told(job, 2)
    assert (begun["status"], begun["run_id"]) == ("start", RID)
    assert (over["status"], over["exit_code"], over["run_id"]) == ("failure", 2, RID)
    assert over["message"] == "no disk"
    assert over["source"].startswith("axios/")


def test_axios_with_retries_comes_again(job: Subject) -> None:
    ended = run_node(job, RETRYING, refusals=(NOT_NOW,))
    assert (ended.exit_code, ended.answers) == (0, [REFUSED, OK]), ended
    _, payload = job.recorded("Down")
    assert payload["message"] == '{"disk":"full"}'


def test_healthchecks_io_client_reports_everything_it_can(job: Subject) -> None:
    ended = run_node(job, HEALTHCHECKS)
    assert (ended.exit_code, ended.answers) == (0, [OK, OK, OK]), ended
    job.wait("Up")
    begun, failed, over = told(job, 3)
    assert [each["status"] for each in (begun, failed, over)] == [
        *("start", "failure", "success")
    ]
    assert failed["message"] == "no disk"
    assert over["source"].startswith("HealthChecks-IO-Client-JS/")
