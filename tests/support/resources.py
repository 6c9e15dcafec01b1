"""Kinds of Kubernetes objects by their paths, and manifests read from files.

Sends nothing: `support.kube` does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
"""A Kubernetes object as the server sends it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, by the path that it is served at."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, *rest: str) -> str:
        """Return the path of the collection, or of the name and subresource in it."""
        root = "api" if self.api_version == "v1" else "apis"
        place = ["namespaces", namespace] if self.namespaced and namespace else []
        return "/".join(["", root, self.api_version, *place, self.plural, *rest])


MONITORS = Resource("heartbeats.dev/v1alpha1", "HeartbeatMonitor", "heartbeatmonitors")
CRON_JOBS = Resource("batch/v1", "CronJob", "cronjobs")
JOBS = Resource("batch/v1", "Job", "jobs")
PODS = Resource("v1", "Pod", "pods")
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
QUOTAS = Resource("v1", "ResourceQuota", "resourcequotas")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
BUDGETS = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NODES = Resource("v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
CRDS = Resource(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
POLICIES = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
)
POLICY_BINDINGS = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io/v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)

_RBAC = "rbac.authorization.k8s.io/v1"
CLUSTER_ROLES = Resource(_RBAC, "ClusterRole", "clusterroles", namespaced=False)

_RESOURCES = {
    (resource.api_version, resource.kind): resource
    for resource in (
        *(MONITORS, CRON_JOBS, JOBS, PODS, SECRETS, CONFIG_MAPS, EVENTS, LEASES),
        *(
            SERVICE_ACCOUNTS,
            NAMESPACES,
            QUOTAS,
            BUDGETS,
            CRDS,
            POLICIES,
            POLICY_BINDINGS,
        ),
        Resource("v1", "Service", "services"),
        Resource("apps/v1", "Deployment", "deployments"),
        Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        Resource(_RBAC, "Role", "roles"),
        Resource(_RBAC, "RoleBinding", "rolebindings"),
        CLUSTER_ROLES,
        Resource(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    )
}


def resource_of(manifest: Object) -> Resource:
    """Return the resource of a manifest; KeyError: add its kind to the table."""
    return _RESOURCES[manifest["apiVersion"], manifest["kind"]]


def read_manifests(path: Path) -> list[Object]:
    """Return the objects of a YAML file, or those a kustomization folder names.

    Follows `resources` only: for folders that change nothing of what they name.
    """
    if path.is_file():
        return list(yaml.safe_load_all(path.read_text()))
    kustomization = yaml.safe_load((path / "kustomization.yaml").read_text())
    entries = kustomization["resources"]
    return [found for entry in entries for found in read_manifests(path / entry)]
