"""Nothing that people read holds a token or a key, whatever was done with them.

A full run of both roles, as their own accounts and with their log at its most
talkative; then all that came of it is searched: logs, event log, metrics, health, page
and every object of the cluster that is no Secret.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml

from heartbeats.cluster import annotations
from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from support import attacks
from support.keys import KEY_SECRET, delivered, fresh_key, put_keys
from support.kube import fresh_namespace, wait_until
from support.leaks import (
    Stage,
    be_careless,
    everything_told,
    forms,
    speak_every_protocol,
    token_of,
)
from support.operators import SYSTEM
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, until_answers
from support.resources import MONITORS, SECRETS
from support.restarts import HEALTH, path_of
from support.workloads import change, cron_job, has_said, ping_monitor, told

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

A_MINUTE = 100.0


@pytest.fixture(scope="module")
def stage(own: Own, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Run both roles; everything they say is kept."""
    event_log = tmp_path_factory.mktemp("leaks") / "events.jsonl"
    with ExitStack() as stack:
        namespace = stack.enter_context(fresh_namespace(own.kube))
        roles = [
            stack.enter_context(run(role, kubeconfig, event_log))
            for role, kubeconfig in (("ping", own.ping), ("operator", own.operator))
        ]
        for process in reversed(roles):  # the operator makes the key
            until_answers(f"{process.wait_for(HEALTH)}/readyz", within=60)
        yield Stage(
            own.kube,
            namespace,
            roles[1],
            roles[0],
            event_log,
            tuple(map(account_token, (own.operator, own.ping))),
        )


def run(role: str, kubeconfig: Path, event_log: Path) -> Process:
    """Run a role that says all it can say."""
    flags = ("--role", role, "--kubeconfig", str(kubeconfig), "--log-level", "DEBUG")
    return Process("run", *flags, "--event-log", str(event_log), *FREE_PORTS)


def account_token(kubeconfig: Path) -> str:
    """Return the token in a kubeconfig."""
    [user] = yaml.safe_load(kubeconfig.read_text())["users"]
    return str(user["user"]["token"])


def test_no_token_and_no_key_is_told_by_anything(stage: Stage) -> None:
    kube, namespace = stage.kube, stage.namespace
    pod = {annotations.EXIT_CODE: "3", annotations.MESSAGE: "disk full"}
    kube.create(cron_job(namespace, "bad", pod_annotations=pod))
    hidden = {f"account {i}": each for i, each in enumerate(stage.accounts)}
    hidden |= imported_tokens_are_pinged(stage)
    hidden |= tokens_are_pinged_and_rotated(stage)
    hidden |= wrong_tokens_are_refused(stage)
    hidden |= keys_are_rotated(stage)
    bad = ("bad-cronjob", has_said("Down"))
    wait_until(kube, MONITORS, namespace, *bad, timeout=A_MINUTE)
    everything = everything_told(stage)
    check_that_the_search_finds_what_is_there(everything, namespace)
    found = {
        (where, name)
        for where, text in everything.items()
        for name, secret in hidden.items()
        for form in forms(secret)
        if form in text
    }
    assert found == set()
    for process in (stage.operator, stage.pings):
        assert "orbidden" not in process.said
        assert "Traceback" not in process.said


# What is done


def tokens_are_pinged_and_rotated(stage: Stage) -> dict[str, str]:
    """Ping by every protocol and in every careless way, with two versions."""
    kube, namespace = stage.kube, stage.namespace
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    old = path_of(kube, namespace, "job")
    speak_every_protocol(stage, old)
    edited = {"spec": {"ping": {"tokenVersion": 2, "minTokenVersion": 1}}}
    change(kube, MONITORS, namespace, "job", edited)
    new = delivered(kube, namespace, "job", other_than=old)
    for path in (old, new):
        assert until_answers(stage.url + path) == b"OK"
    edited = {"spec": {"ping": {"tokenVersion": 2, "minTokenVersion": 2}}}
    change(kube, MONITORS, namespace, "job", edited)
    until_answers(stage.url + old, 404)
    be_careless(stage, new)
    attack(stage, new)
    wait_until(kube, MONITORS, namespace, "job", has_said("Down"))
    assert told(kube, namespace, "job", "RunFailed")
    return {"first version": token_of(old), "second version": token_of(new)}


def attack(stage: Stage, path: str) -> None:
    """Send what no correct client sends, with a token in it."""
    service = urlsplit(stage.url)
    address = (service.hostname or "", service.port or 0)
    attacks.attack(attacks.send_odd_requests, address, f"{path}/log")


def wrong_tokens_are_refused(stage: Stage) -> dict[str, str]:
    """Ping with tokens of nobody, of a deleted monitor, and of none that ever was."""
    kube, namespace = stage.kube, stage.namespace
    kube.create(ping_monitor(namespace, "gone", interval="24h"))
    gone = token_of(path_of(kube, namespace, "gone"))
    assert until_answers(f"{stage.url}/ping/{gone}") == b"OK"
    kube.delete(MONITORS, namespace, "gone")
    until_answers(f"{stage.url}/ping/{gone}", 404)
    data = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]["current"]
    never = mint(Key.of(base64.b64decode(data)), MonitorKey(namespace, "never"), 1)
    strangers = {"deleted": gone, "never was": never, "nobody's": str(uuid4())}
    for token in strangers.values():
        for path in (f"/ping/{token}", f"/{token}", f"/api/v1/monitors/{token}"):
            assert stage.send(path) == 404
        assert stage.send("/ping", headers={"Authorization": f"Bearer {token}"}) == 404
        assert stage.send(f"/ping?key={token}") == 401
    return strangers


def imported_tokens_are_pinged(stage: Stage) -> dict[str, str]:
    """Ping by tokens of another system, of which only hashes are known here."""
    uuid, key = str(uuid4()), uuid4().hex[:22]
    words = (uuid, f"{key}/nightly-backup")
    monitor = ping_monitor(stage.namespace, "imported", interval="24h")
    monitor["spec"]["ping"] = {
        "tokenHashes": [sha256(each.encode()).hexdigest() for each in words]
    }
    stage.kube.create(monitor)
    for word in words:
        assert until_answers(f"{stage.url}/ping/{word}") == b"OK"
        be_careless_with(stage, word)
    return {"imported": uuid, "project key": key}


def be_careless_with(stage: Stage, word: str) -> None:
    """Print an imported token."""
    output = f"+ curl {stage.url}/ping/{word}".encode()
    assert stage.send(f"/ping/{word}/log", output) == 200


def keys_are_rotated(stage: Stage) -> dict[str, str]:
    """Replace the key, so that each URL gets a new token."""
    kube, namespace = stage.kube, stage.namespace
    before = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]["current"]
    old = path_of(kube, namespace, "job")
    after = fresh_key()
    put_keys(kube, current=after, previous=before)
    new = delivered(kube, namespace, "job", other_than=old)
    for path in (old, new):
        assert until_answers(stage.url + path) == b"OK"
    return {"by the new key": token_of(new), "old key": before, "new key": after}


# What came of it


def check_that_the_search_finds_what_is_there(
    everything: dict[str, str], namespace: str
) -> None:
    """Check each place by something that it must tell."""
    for where in (
        *("log of operator", "log of ping", "event log", "page /", "operator /metrics"),
        *("/apis/heartbeats.dev/v1alpha1/heartbeatmonitors", "/api/v1/configmaps"),
        *("/apis/events.k8s.io/v1/events", "/apis/coordination.k8s.io/v1/leases"),
    ):
        assert everything[where]
    assert f'"{namespace}"' in everything["/apis/events.k8s.io/v1/events"]
    assert "it went wrong" in everything["event log"]
    status = everything["/apis/heartbeats.dev/v1alpha1/heartbeatmonitors"]
    assert "it went wrong" in status
    assert "disk full" in status
    assert re.search(r"ping_requests_total\{code=\"404\"", everything["ping /metrics"])
