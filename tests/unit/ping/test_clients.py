"""The commands people already have work when host and id are replaced, and no more."""

import asyncio
import shutil
import sys

import pytest

from heartbeats.core.model import Kind
from unit.ping.support import TOKEN, PingBench

URLLIB = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"
REQUESTS = """
import sys, requests
requests.post(sys.argv[1], timeout=5).raise_for_status()
"""
REQUESTS_JSON = """
import sys, requests
answer = requests.post(sys.argv[1], json={"processed": 12}, timeout=5)
answer.raise_for_status()
"""
FETCH = """
const [url, method] = process.argv.slice(1)
fetch(url, { method, headers: { Origin: 'vercel' } })
  .then(response => process.exit(response.ok ? 0 : 1))
"""
MONITOR, HEARTBEAT = f"/api/v1/monitors/{TOKEN}/checkin", f"/api/v1/hb/{TOKEN}"
CHECKLY, CHECK_IN = f"/{TOKEN}", f"/v1/check_in/{TOKEN}"
REPORT = '{"check_in": {"status": "error", "exit_code": 1}}'

COMMANDS = [
    (["curl"], MONITOR, Kind.SUCCESS),
    (["curl", "-sf"], f"{MONITOR}?status=fail", Kind.FAILURE),
    ([sys.executable, "-c", URLLIB], MONITOR, Kind.SUCCESS),
    ([sys.executable, "-c", URLLIB], f"{MONITOR}?status=fail", Kind.FAILURE),
    (["node", "-e", FETCH], f"{MONITOR}?status=fail", Kind.FAILURE),
    (["curl", "-sS", "-X", "POST"], HEARTBEAT, Kind.SUCCESS),
    ([sys.executable, "-c", REQUESTS], HEARTBEAT, Kind.SUCCESS),
    (["curl", "-m", "5", "--retry", "3"], CHECKLY, Kind.SUCCESS),
    (["curl", "-m", "5", "-H", "Origin: backup", "-s"], CHECKLY, Kind.SUCCESS),
    (["wget", "-T", "5", "-t", "3", "-q", "-O", "/dev/null"], CHECKLY, Kind.SUCCESS),
    ([sys.executable, "-c", REQUESTS_JSON], CHECKLY, Kind.SUCCESS),
    (["node", "-e", FETCH], CHECKLY, Kind.SUCCESS),
    (["curl", "-f"], CHECK_IN, Kind.SUCCESS),
    (["curl", "-f", "--json", REPORT], CHECK_IN, Kind.FAILURE),
    (["curl", "-fsS", "-m", "10", "--retry", "5"], f"/ping/{TOKEN}", Kind.SUCCESS),
    (["curl", "-fsS", "--data-raw", "no disk"], f"/ping/{TOKEN}/1", Kind.FAILURE),
    (["curl", "-fsSI"], f"/ping/{TOKEN}/start", Kind.START),
]


@pytest.mark.parametrize(("command", "path", "kind"), COMMANDS)
async def test_a_command_checks_in_and_ends_well(
    bench: PingBench, command: list[str], path: str, kind: Kind
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    url = bench.service.url + path
    process = await asyncio.create_subprocess_exec(
        *command, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, (output, errors)
    assert bench.last.kind is kind
