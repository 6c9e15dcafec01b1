"""The local control plane: a real API server for tests, the demo and trying out.

`heartbeats cluster up` takes a context that the user names, else kind where a Docker
engine answers, else the embedded control plane: etcd, kube-apiserver,
kube-controller-manager and kube-scheduler, built once from pinned Go modules, with
KWOK in place of kubelets. Everything listens on 127.0.0.1.

For tests: `heartbeats.cluster.embedded.start(...)` returns a `ControlPlane`.

Nothing in here is part of the operator: no module outside this package, but the
command line, may import it.
"""
