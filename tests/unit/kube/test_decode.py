"""From bytes to objects; one odd object costs only itself."""

import json
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.edges.kube import decode as decoding
from heartbeats.edges.kube.decode import Decoder, LineSplitter, Odd, decode, number
from heartbeats.edges.kube.errors import Malformed
from heartbeats.edges.kube.objects import (
    ConfigMap,
    CronJob,
    Job,
    KubeObject,
    Monitor,
    Namespace,
    Pod,
    parse_time,
)
from heartbeats.edges.kube.resources import JOBS

META = {
    "name": "nightly",
    "namespace": "shop",
    "uid": "u1",
    "resourceVersion": "42",
    "generation": 3,
    "creationTimestamp": "2026-03-01T02:00:00Z",
    "managedFields": [{"manager": "kubectl"}],
}


def parse(kind: type[KubeObject], **body: object) -> object:
    return decode(json.dumps({"metadata": META, **body}).encode(), kind)


def test_reads_what_a_cronjob_says() -> None:
    cron_job = parse(
        CronJob,
        spec={
            "schedule": "0 2 * * *",
            "timeZone": "Europe/Berlin",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 100,
            "jobTemplate": {"spec": {"activeDeadlineSeconds": 600, "template": {}}},
        },
        status={
            "lastScheduleTime": "2026-03-01T02:00:00Z",
            "active": [{"kind": "Job", "name": "j", "uid": "u2"}],
        },
    )
    assert isinstance(cron_job, CronJob)
    assert cron_job.metadata.creation_timestamp == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert cron_job.spec.time_zone == "Europe/Berlin"
    assert cron_job.spec.suspend is False
    assert cron_job.spec.job_template.spec.active_deadline_seconds == 600
    assert [active.uid for active in cron_job.status.active] == ["u2"]
    assert cron_job.status.last_successful_time is None


def test_reads_what_a_job_says() -> None:
    owner = {"kind": "CronJob", "name": "c", "uid": "u0", "controller": True}
    meta = {**META, "ownerReferences": [{"kind": "X", "uid": "x"}, owner]}
    job = decode(
        json.dumps(
            {
                "metadata": meta,
                "spec": {"activeDeadlineSeconds": 5, "backoffLimit": 6},
                "status": {
                    "startTime": "2026-03-01T02:00:01Z",
                    "ready": 1,
                    "failed": 2,
                    "conditions": [
                        {
                            "type": "Failed",
                            "status": "True",
                            "reason": "BackoffLimitExceeded",
                            "message": "Job has reached the specified backoff limit",
                            "lastProbeTime": "2026-03-01T02:10:00Z",
                            "lastTransitionTime": "2026-03-01T02:10:00Z",
                        }
                    ],
                },
            }
        ).encode(),
        Job,
    )
    controller = job.metadata.controller("CronJob")
    assert controller is not None
    assert controller.uid == "u0"
    assert job.metadata.controller("X") is None
    assert (job.status.ready, job.status.active, job.status.failed) == (1, 0, 2)
    assert job.status.conditions[0].reason == "BackoffLimitExceeded"


def test_reads_what_a_pod_says() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    ended = {"terminated": {"exitCode": 3, "finishedAt": "2026-03-01T02:00:00Z"}}
    status = {
        "phase": "Pending",
        "containerStatuses": [{"name": "a", "state": waiting, "lastState": ended}],
        "initContainerStatuses": [{"name": "b", "state": ended}],
    }
    pod = parse(Pod, status=status)
    assert isinstance(pod, Pod)
    main, init = pod.status.container_statuses[0], pod.status.init_container_statuses[0]
    assert main.state.waiting is not None
    assert main.state.waiting.reason == "ImagePullBackOff"
    assert main.state.terminated is None
    assert main.last_state.terminated == init.state.terminated
    assert init.state.terminated is not None
    assert init.state.terminated.exit_code == 3


def test_reads_the_rest() -> None:
    config_map = parse(ConfigMap, data={"a": "b"}, immutable=True)
    assert isinstance(config_map, ConfigMap)
    assert (config_map.data, config_map.immutable) == ({"a": "b"}, True)
    namespace = parse(Namespace, status={"phase": "Terminating"})
    assert isinstance(namespace, Namespace)
    assert namespace.status.phase == "Terminating"
    monitor = parse(
        Monitor,
        spec={"ping": {"tokenVersion": 2, "tokenHashes": ["aa"]}},
        status={
            "state": "Down",
            "nextExpectedTime": "2026-03-01T02:00:00Z",
            "incident": {"reason": "RunMissed"},
            "ping": {"keyID": "k1"},
        },
    )
    assert isinstance(monitor, Monitor)
    assert monitor.spec.ping is not None
    assert monitor.spec.ping.token_hashes == ["aa"]
    assert monitor.spec.ping.min_token_version is None
    assert monitor.status.ping is not None
    assert monitor.status.ping.key_id == "k1"


@pytest.mark.parametrize("kind", [Job, CronJob, ConfigMap, Pod, Monitor, KubeObject])
def test_objects_are_no_burden_to_the_garbage_collector(
    kind: type[KubeObject],
) -> None:
    config = kind.__struct_config__
    assert (config.gc, config.frozen) == (False, True)


def test_times_are_instants_and_never_guesses() -> None:
    at = datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert parse_time("2026-03-01T02:00:00Z") == at
    berlin = parse_time("2026-03-01T03:00:00+01:00")
    assert (berlin, berlin.utcoffset()) == (at, timedelta())
    micro = at + timedelta(microseconds=250_000)
    assert parse_time("2026-03-01T02:00:00.250000Z") == micro
    for text in ("2026-03-01T02:00:00", "yesterday", "", "0001-01-01T00:00:00+23:00"):
        with pytest.raises(ValueError, match="RFC 3339"):
            parse_time(text)


def test_an_odd_object_is_named_and_reported_once_for_each_version(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    decoder = Decoder(JOBS, Job)

    def odd(version: str) -> msgspec.Raw:
        meta = {**META, "resourceVersion": version}
        return msgspec.Raw(json.dumps({"metadata": meta, "status": 7}).encode())

    expected = Odd(name="nightly", namespace="shop", uid="u1", version="42")
    assert decoder.object(odd("42")) == expected
    assert len(caplog.records) == 1
    decoder.object(odd("42"))
    assert len(caplog.records) == 1
    decoder.object(odd("43"))
    assert len(caplog.records) == 2
    assert decoder.skipped == 3
    assert "$.status" in caplog.text


def test_what_is_no_object_at_all_has_no_name() -> None:
    decoder = Decoder(JOBS, Job)
    for raw in (b"7", b'{"metadata": 7}', b'{"metadata": {"uid": 7}}', b'"\xff"'):
        assert decoder.object(msgspec.Raw(raw)) == Odd()


def test_memory_of_reports_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_REPORTED", 3)
    decoder = Decoder(JOBS, Job)
    for uid in range(10):
        meta = {**META, "uid": str(uid)}
        decoder.object(msgspec.Raw(json.dumps({"metadata": meta, "spec": 1}).encode()))
        assert len(decoder._reported) <= 3


@pytest.mark.parametrize("text", ["", "12a", "-1", "1.5"])
def test_a_version_is_a_number(text: str) -> None:
    assert number("42") == 42
    with pytest.raises(Malformed, match="resourceVersion"):
        number(text)


@given(
    lines=st.lists(
        st.binary(min_size=1).filter(lambda b: b.strip() and b"\n" not in b)
    ),
    cuts=st.lists(st.integers(min_value=0, max_value=200)),
)
def test_lines_survive_every_way_of_cutting_the_stream(
    lines: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = LineSplitter()
    found = []
    for start, end in pairwise(edges):
        found += splitter.feed(stream[start:end])
    assert found == lines


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_LINE_BYTES", 10)
    splitter = LineSplitter()
    splitter.feed(b"0123456789")
    with pytest.raises(Malformed, match="longer than"):
        splitter.feed(b"0")
