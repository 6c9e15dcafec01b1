"""Sets the stage and strikes it: a cluster, the operator, the samples, then nothing.

Everything the demo makes is removed again, whatever happens between: the operator
first, then what was applied to a cluster of the user's, then a cluster of ours.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from heartbeats.cluster import providers
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import Options, Provider, read_record
from heartbeats.config import OWN_NAMESPACE
from heartbeats.demo.api import MONITORS, Admin
from heartbeats.demo.checkout import Manifest, read_manifests
from heartbeats.demo.errors import DemoError
from heartbeats.demo.process import Addresses, Files, OperatorProcess, stop_leftover

_ACCOUNT: Final = "heartbeats-operator"
_CRD: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_CRD_NAME: Final = "heartbeatmonitors.heartbeats.dev"
_SERVED_WITHIN: Final = 30.0
_LISTENING_WITHIN: Final = 60.0
_GONE_WITHIN: Final = 90.0
"""Seconds: a namespace goes when its last pod has ended."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for."""

    home: ClusterDir
    choice: providers.Choice
    context: str | None
    checkout: Path

    @property
    def files(self) -> Files:
        """The operator's files. The folder is 0700 and goes with the cluster's."""
        return Files(self.home.root / "demo")

    def manifests(self) -> list[Manifest]:
        """Return all that the demo applies, in this order."""
        return self.definitions() + self.rights() + self.samples()

    def definitions(self) -> list[Manifest]:
        """Return the definition of the resource."""
        return read_manifests(self.checkout / "crds")

    def rights(self) -> list[Manifest]:
        """Return the namespace, the accounts, their rights and the policy."""
        return read_manifests(self.checkout / "manifests" / "rights")

    def samples(self) -> list[Manifest]:
        """Return what is monitored."""
        return read_manifests(self.checkout / "manifests" / "samples")


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster with a running operator and the samples."""

    plan: Plan
    admin: Admin
    operator: OperatorProcess
    addresses: Addresses


@contextmanager
def set_up(
    plan: Plan, progress: Progress, *, before_removal: Callable[[], None]
) -> Iterator[Stage]:
    """Yield the stage; it is gone when the block ends. DemoError, ClusterError.

    `before_removal` is called when the removal begins, which must not be disturbed.
    """
    plan.manifests()  # what can't be read is told before anything starts
    with _alone(plan.home):
        _clear_leftovers(plan, progress)
        progress.line(f"Cluster {plan.home.name!r}: {plan.choice.reason}.")
        providers.prepare(plan.home, plan.choice, progress)
        with ExitStack() as removal:
            removal.callback(_take_down, plan, progress)
            try:
                yield _build(plan, removal, progress)
            finally:
                before_removal()


def _build(plan: Plan, removal: ExitStack, progress: Progress) -> Stage:
    _bring_up(plan, progress)
    admin = _admin(plan)
    _refuse_installed(admin)
    plan.files.folder.mkdir(mode=0o700)  # from here on there is something of ours
    if plan.choice.provider is Provider.CONTEXT:
        removal.callback(_delete, admin, plan.manifests(), progress)
    operator = _start(plan, admin, progress)
    removal.callback(operator.stop)
    addresses = operator.wait_listening(within=_LISTENING_WITHIN)
    progress.line("Applying manifests/samples …")
    admin.apply(plan.samples())
    return Stage(plan, admin, operator, addresses)


def _admin(plan: Plan) -> Admin:
    return Admin(plan.home.kubeconfig, plan.home.root / "discovery.json")


def _start(plan: Plan, admin: Admin, progress: Progress) -> OperatorProcess:
    progress.line("Applying crds and manifests/rights …")
    admin.apply(plan.definitions())
    admin.wait_served(*MONITORS, within=_SERVED_WITHIN)
    admin.apply(plan.rights())
    progress.line(f"Starting the operator as ServiceAccount {_ACCOUNT} …")
    content = admin.account_kubeconfig(OWN_NAMESPACE, _ACCOUNT)
    plan.files.kubeconfig.touch(mode=0o600)
    plan.files.kubeconfig.write_text(yaml.safe_dump(content))
    # In a cluster of the user's, only what asks for it: the samples' namespace does.
    is_users = plan.choice.provider is Provider.CONTEXT
    mode = "annotated" if is_users else "all"
    return OperatorProcess(plan.files, f"--auto-monitor={mode}")


@contextmanager
def _alone(home: ClusterDir) -> Iterator[None]:
    """Hold off another demo of the same name; the kernel ends the hold at exit."""

    def refuse() -> None:
        raise DemoError(
            f"A demo named {home.name!r} runs already: end it with ctrl-C, or choose "
            "another --name."
        )

    home.root.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(home.root.parent / f".demo-{home.name}.lock", refuse):
        yield


def _clear_leftovers(plan: Plan, progress: Progress) -> None:
    """Remove what a killed demo left; a cluster that is not the demo's is refused."""
    home = plan.home
    if not home.root.exists():
        return
    if plan.files.folder.exists():
        progress.line("Removing what an earlier demo left …")
        stop_leftover(plan.files)
        record = read_record(home)
        if record and record.provider is Provider.CONTEXT:
            _delete(_admin(plan), plan.manifests(), progress)
    else:
        status = providers.status(home, progress)
        if status and status.is_running:
            raise DemoError(
                f"The cluster {home.name!r} is there already and not the demo's. "
                "Choose another --name, or remove it: "
                f"heartbeats cluster down --name {home.name}"
            )
    _take_down(plan, progress)


def _refuse_installed(admin: Admin) -> None:
    if admin.is_there(*_CRD, _CRD_NAME) or admin.is_there(
        "v1", "Namespace", OWN_NAMESPACE
    ):
        raise DemoError(
            "Heartbeats is installed in this cluster already; the demo would be in its "
            "way. Use another cluster, or none (leave out --context), or remove it "
            "with all its monitors: kubectl delete -k manifests, then -k crds"
        )


def _bring_up(plan: Plan, progress: Progress) -> None:
    with providers.exclusive(plan.home, progress):
        providers.bring_up(
            plan.home,
            plan.choice,
            context=plan.context,
            options=Options(),
            progress=progress,
        )


def _delete(admin: Admin, manifests: list[Manifest], progress: Progress) -> None:
    progress.line("Deleting what the demo applied …")
    admin.delete(manifests, within=_GONE_WITHIN)


def _take_down(plan: Plan, progress: Progress) -> None:
    if plan.choice.provider is not Provider.CONTEXT:
        progress.line(f"Removing the cluster {plan.home.name!r} …")
    try:
        with providers.exclusive(plan.home, progress):
            providers.take_down(plan.home, progress)
    except ClusterError as error:
        raise DemoError(f"The cluster could not be removed: {error}") from error
