"""The command line of each component of the embedded control plane. Starts nothing.

Defaults are left alone where they do not matter, so that tests meet what users have.
"""

from dataclasses import dataclass
from pathlib import Path

from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.record import Component, Options, Ports

STAGES = Path(__file__).parent / "stages" / "stages.yaml"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a component's command line depends on."""

    home: ClusterDir
    programs: Path
    ports: Ports
    options: Options

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.ports.apiserver}"

    def command(self, component: Component) -> list[str]:
        """Return the program and its flags; each names the cluster's folder."""
        flags = _FLAGS[component](self)
        more = self.options.arguments.get(component, ())
        return [str(self.programs / component), *flags, *more]


def _etcd(plan: Plan) -> list[str]:
    client = f"http://127.0.0.1:{plan.ports.etcd}"
    peer = f"http://127.0.0.1:{plan.ports.etcd_peer}"
    flags = [
        f"--data-dir={plan.home.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]
    return flags if plan.options.fsync else [*flags, "--unsafe-no-fsync"]


def _apiserver(plan: Plan) -> list[str]:
    pki = plan.home.pki
    flags = [
        f"--etcd-servers=http://127.0.0.1:{plan.ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        # Endpoints may not hold a loopback address, and no pod will dial it.
        "--endpoint-reconciler-type=none",
        f"--secure-port={plan.ports.apiserver}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--allow-privileged",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
    ]
    if Component.CONTROLLER_MANAGER in plan.options.components:
        return flags
    # Nobody makes the default ServiceAccounts, so pods must do without.
    return [*flags, "--disable-admission-plugins=ServiceAccount"]


def _controller_manager(plan: Plan) -> list[str]:
    pki = plan.home.pki
    return [
        f"--kubeconfig={plan.home.client_config(Component.CONTROLLER_MANAGER)}",
        "--leader-elect=false",
        # Serves nothing: one port less that could be taken.
        "--secure-port=0",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--concurrent-cron-job-syncs=10",
        # On a busy machine the only node would be lost, and nobody simulates that its
        # pods are ready again afterwards.
        "--node-monitor-grace-period=1h",
    ]


def _scheduler(plan: Plan) -> list[str]:
    return [
        f"--kubeconfig={plan.home.client_config(Component.SCHEDULER)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _kwok(plan: Plan) -> list[str]:
    return [
        f"--kubeconfig={plan.home.client_config(Component.KWOK)}",
        f"--config={STAGES}",
        "--manage-all-nodes",
        "--node-ip=127.0.0.1",
        # No fake kubelet endpoint: logs and exec are not part of this.
        "--node-port=0",
    ]


_FLAGS = {
    Component.ETCD: _etcd,
    Component.APISERVER: _apiserver,
    Component.CONTROLLER_MANAGER: _controller_manager,
    Component.SCHEDULER: _scheduler,
    Component.KWOK: _kwok,
}
