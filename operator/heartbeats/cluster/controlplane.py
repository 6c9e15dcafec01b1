"""A control plane that was started: ask it, break it, mend it, stop it.

What is on the disk is the truth: a `ControlPlane` may be made anew by any process at
any time. Making the folder and the first start are in `embedded`.
"""

import http
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from heartbeats.cluster.api import AdminApi
from heartbeats.cluster.components import Plan
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.processes import (
    Launch,
    is_running,
    read_pid,
    signal_process,
    spawn,
    stop,
)
from heartbeats.cluster.record import Component

NODE_MANIFEST = Path(__file__).parent / "stages" / "node.yaml"

_READY_TIMEOUT = 120.0
"""Seconds to become ready. 5 are usual; a busy CI machine may need 60."""

_GRACE = 10.0
"""Seconds that a component gets to end by itself."""

_POLL = 0.1
"""Seconds between two looks at a component that is starting."""

_LOG_LINES = 20


class StartError(ClusterError):
    """A component did not start; `log` holds the end of what it wrote."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that was started, whether or not it still runs."""

    plan: Plan

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.plan.home.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, keys included."""
        return self.plan.home.kubeconfig

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.plan.server

    @property
    def components(self) -> tuple[Component, ...]:
        """The components, in the order of their start."""
        return self.plan.options.components

    @property
    def admin(self) -> AdminApi:
        """The API server, asked as the administrator."""
        return AdminApi(self.server, self.plan.home.pki)

    def pid(self, component: Component) -> int | None:
        """Return the id of a component's process, or None if it does not run."""
        pid = read_pid(self.plan.home.pid(component))
        return pid if is_running(pid, self.plan.home.root) else None

    def log(self, component: Component) -> Path:
        """Return the component's log file."""
        return self.plan.home.log(component)

    def is_ready(self) -> bool:
        """Tell whether every component runs and the API server says it is ready."""
        running = all(self.pid(component) for component in self.components)
        return running and self.admin.answers("/readyz")

    def start(self, component: Component) -> None:
        """Start a component with its flags and port; returns when it does its work."""
        self.launch(component)
        self.wait_ready(component)

    def wait_ready(self, *components: Component) -> None:
        """Wait until each of these does its work; raises StartError if one ends."""
        deadline = time.monotonic() + _READY_TIMEOUT
        for component in components:
            ready = self._readiness(component)
            while not ready():
                self.check_alive(*components)
                if time.monotonic() > deadline:
                    raise self._failure(component, "did not become ready in 2 minutes")
                time.sleep(_POLL)

    def launch(self, component: Component) -> None:
        """Start a component's process, if it does not run, and do not wait."""
        if self.pid(component) is not None:
            return
        home = self.plan.home
        spawn(
            Launch(
                command=self.plan.command(component),
                home=home.root,
                pid_file=home.pid(component),
                log_file=home.log(component),
                environment={
                    "HOME": str(home.root),
                    "PATH": os.defpath,
                    "TZ": self.plan.options.time_zone,
                },
            )
        )

    def check_alive(self, *components: Component) -> None:
        """Raise StartError for the first of these that has ended."""
        for component in components:
            if self.pid(component) is None:
                raise self._failure(component, "ended while starting")

    def terminate(self, component: Component) -> None:
        """End one component in order (SIGTERM); returns when it is gone."""
        home = self.plan.home
        stop(read_pid(home.pid(component)), home.root, _GRACE)

    def kill(self, component: Component) -> None:
        """End one component at once (SIGKILL); returns when it is gone."""
        home = self.plan.home
        signal_process(read_pid(home.pid(component)), home.root, signal.SIGKILL)
        stop(read_pid(home.pid(component)), home.root, _GRACE)

    def restart_apiserver(self) -> None:
        """Stop and start the API server on the same port; returns when it is ready."""
        self.terminate(Component.APISERVER)
        self.start(Component.APISERVER)

    def stop(self) -> None:
        """End every process and remove the folder with all data."""
        remove(self.plan.home)

    def _readiness(self, component: Component) -> Callable[[], bool]:
        """Return the proof that a component does its work."""
        match component:
            case Component.APISERVER:
                return lambda: self.admin.answers("/readyz")
            case Component.CONTROLLER_MANAGER:
                account = "/api/v1/namespaces/default/serviceaccounts/default"
                return lambda: self.admin.answers(account)
            case Component.KWOK:
                return self._node_is_ready
            case Component.ETCD | Component.SCHEDULER:
                # etcd is proved by the API server, the scheduler by the first pod.
                return lambda: self.pid(component) is not None

    def _node_is_ready(self) -> bool:
        node = yaml.safe_load(NODE_MANIFEST.read_text())
        if self.admin.node_is_ready(node["metadata"]["name"]):
            return True
        status, _ = self.admin.request("POST", "/api/v1/nodes", node)
        if status not in {0, http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT}:
            raise ClusterError(f"The API server refused the node: HTTP {status}.")
        return False

    def _failure(self, component: Component, what: str) -> StartError:
        log = self.log(component)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        end = "\n".join(lines[-_LOG_LINES:])
        return StartError(
            f"{component} of cluster {self.name!r} {what}. The end of {log}:\n\n{end}\n"
            "\nTry again; if it fails again, look for the first error in that log.",
            end,
        )


def remove(home: ClusterDir) -> None:
    """End every recorded process, the last started first, and remove the folder."""
    _refuse_strange_folder(home)
    end_processes(home)
    shutil.rmtree(home.root, ignore_errors=True)
    if home.root.exists():
        raise ClusterError(f"{home.root} can't be removed whole: delete it by hand.")


def _refuse_strange_folder(home: ClusterDir) -> None:
    """Raise if the folder holds something that no cluster has written."""
    ours = home.record.exists() or home.pki.exists() or (home.root / "pids").exists()
    if home.root.exists() and not ours and any(home.root.iterdir()):
        raise ClusterError(
            f"{home.root} is there and is no cluster's folder, so it stays. Choose "
            "another name or folder."
        )


def end_processes(home: ClusterDir) -> None:
    """End every recorded process; the folder stays, with its logs."""
    for component in reversed(Component):
        stop(read_pid(home.pid(component)), home.root, _GRACE)
        home.pid(component).unlink(missing_ok=True)
