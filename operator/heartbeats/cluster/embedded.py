"""Makes an embedded control plane, or finds the one that a folder belongs to.

The first start, with its certificates, kubeconfigs and ports, is here; all that one
can do with a running one is in `controlplane`.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from heartbeats.cluster.build import ensure_built
from heartbeats.cluster.components import Plan
from heartbeats.cluster.controlplane import (
    ControlPlane,
    StartError,
    end_processes,
    remove,
)
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.kubeconfig import write_client_config
from heartbeats.cluster.paths import ClusterDir, cluster_dir
from heartbeats.cluster.ports import free_ports
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import (
    Component,
    Options,
    Ports,
    Provider,
    Record,
    read_record,
    write_record,
)

_PORT_ATTEMPTS = 3
"""Another program may take a port between our look and the component's start."""

_PORT_TAKEN = "address already in use"

_CERTIFICATE_TIMEOUT = 60.0

_USERS = (Component.CONTROLLER_MANAGER, Component.SCHEDULER, Component.KWOK)
"""The components that log in to the API server, each with its own certificate."""

_DEFAULTS = Options()


def start(
    name: str,
    *,
    state_dir: Path | None = None,
    options: Options = _DEFAULTS,
    progress: Progress | None = None,
) -> ControlPlane:
    """Return a ready control plane of that name; start it unless it runs (5 s).

    `state_dir` is the folder that gets the cluster's folder. A half-dead cluster is
    started anew and loses its data. Raises ClusterError.
    """
    progress = progress or Progress(sys.stderr)
    home = cluster_dir(name, state_dir)
    if running := find_running(home):
        if running.plan.options != options:
            progress.line(f"Cluster {name!r} runs already, with its earlier options.")
        return running
    _require_linux()
    programs = ensure_built(progress)
    if home.root.exists():
        progress.line(f"Cluster {name!r} does not run whole: starting it anew.")
        remove(home)
    return _start_on_free_ports(home, programs, options, progress)


def load(home: ClusterDir) -> ControlPlane | None:
    """Return the control plane that a folder belongs to, running or not, or None."""
    record = read_record(home)
    if record is None or record.provider is not Provider.EMBEDDED or not record.ports:
        return None
    programs = Path(record.programs)
    return ControlPlane(Plan(home, programs, record.ports, record.options))


def find_running(home: ClusterDir) -> ControlPlane | None:
    """Return the control plane of a folder if every part of it runs, else None."""
    found = load(home)
    return found if found and found.is_ready() else None


def _start_on_free_ports(
    home: ClusterDir, programs: Path, options: Options, progress: Progress
) -> ControlPlane:
    plan = Plan(home, programs, Ports(*free_ports(3)), options)
    for attempts_left in reversed(range(_PORT_ATTEMPTS)):
        try:
            return _start(plan, progress)
        except StartError as error:
            if not (attempts_left and _PORT_TAKEN in error.log):
                raise
            progress.line("A port was taken meanwhile: trying others.")
            remove(home)
            plan = replace(plan, ports=Ports(*free_ports(3)))
    raise AssertionError  # the last attempt returns or raises


def _start(plan: Plan, progress: Progress) -> ControlPlane:
    ports, options = plan.ports, plan.options
    write_record(
        plan.home, Record(Provider.EMBEDDED, str(plan.programs), ports, options)
    )
    control_plane = ControlPlane(plan)
    try:
        _write_credentials(plan)
        _start_components(control_plane, progress)
    except BaseException:
        # An interrupted start leaves no process behind; the logs stay.
        end_processes(plan.home)
        raise
    return control_plane


def _start_components(control_plane: ControlPlane, progress: Progress) -> None:
    """Start all: first etcd and the API server, then what can't live without them."""
    first = {Component.ETCD, Component.APISERVER}
    for wave in (first, set(Component) - first):
        members = [c for c in control_plane.components if c in wave]
        progress.tick(f"starting {', '.join(members)}")
        for component in members:
            control_plane.launch(component)
        control_plane.wait_ready(*members)
    control_plane.check_alive(*control_plane.components)
    progress.line(f"Cluster {control_plane.name!r} is ready: {control_plane.server}")


def _write_credentials(plan: Plan) -> None:
    pki = plan.home.pki
    pki.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [str(plan.programs / "certs"), "-dir", str(pki)],
            capture_output=True,
            text=True,
            timeout=_CERTIFICATE_TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise ClusterError(f"No certificates: {error.stderr.strip()}") from error
    for user in _USERS:
        write_client_config(
            plan.home.client_config(user), server=plan.server, pki=pki, user=user
        )
    write_client_config(plan.home.kubeconfig, server=plan.server, pki=pki, user="admin")


def _require_linux() -> None:
    if not sys.platform.startswith("linux"):
        raise ClusterError(
            "The embedded control plane runs on Linux only. Start Docker and use "
            "`--provider kind`, or name a cluster of yours with --context."
        )
