"""What is running: the record of a cluster on disk. Reads and writes one file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from heartbeats.cluster.paths import ClusterDir


class Provider(StrEnum):
    """Where a cluster comes from."""

    EMBEDDED = "embedded"
    KIND = "kind"
    CONTEXT = "context"


class Component(StrEnum):
    """A process of the embedded control plane, in the order of their start."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KWOK = "kwok"


EVERYTHING = tuple(Component)
API_ONLY = (Component.ETCD, Component.APISERVER)
"""No controllers: for tests that write Jobs, pods and their statuses themselves."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an embedded control plane is run."""

    components: tuple[Component, ...] = EVERYTHING
    fsync: bool = False
    """Without it etcd is faster and loses data in a power cut, not in a kill."""
    time_zone: str = "UTC"
    """The controller manager's local zone: that of CronJobs without a timeZone."""
    arguments: Mapping[Component, tuple[str, ...]] = field(default_factory=dict)
    """More flags for a component; the last of two equal flags wins."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports on 127.0.0.1."""

    etcd: int
    etcd_peer: int
    apiserver: int


@dataclass(frozen=True, slots=True)
class Record:
    """One cluster; the fields after `provider` are the embedded one's."""

    provider: Provider
    programs: str = ""
    ports: Ports | None = None
    options: Options = Options()


def read_record(home: ClusterDir) -> Record | None:
    """Return the record, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(home.record.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def write_record(home: ClusterDir, record: Record) -> None:
    """Write the record, whole or not at all."""
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = home.record.with_suffix(".new")
    partial.write_bytes(msgspec.json.encode(record))
    partial.replace(home.record)
