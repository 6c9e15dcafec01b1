"""What the two accounts may do on a real API server, and what is refused to them.

Asks the authorizer, and does nothing. What a Secret may hold is for
`test_secrets_policy.py`.
"""

import pytest

from support.control_plane import POLICY, SYSTEM
from support.kube import Kube, wait_until
from support.resources import CLUSTER_ROLES, Object

pytestmark = pytest.mark.integration

BATCH, OURS, LEASES = "batch", "heartbeats.dev", "coordination.k8s.io"
ADMISSION, RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"
HOME = {"namespace": SYSTEM}
ELSEWHERE = {"namespace": "default"}
KEY = {**HOME, "name": "heartbeats-ping-key"}

Right = tuple[str, str, str, dict[str, str]]
"""Verb, API group, resource, and where."""

OPERATOR_MAY: dict[str, Right] = {
    "list CronJobs everywhere": ("list", BATCH, "cronjobs", {}),
    "watch Jobs everywhere": ("watch", BATCH, "jobs", {}),
    "list the pods of a failed Job": ("list", "", "pods", ELSEWHERE),
    "read the annotations of namespaces": ("watch", "", "namespaces", {}),
    "tell of a flip": ("create", "events.k8s.io", "events", ELSEWHERE),
    "read what a CronJob's controller says": ("list", "", "events", ELSEWHERE),
    "create a monitor": ("create", OURS, "heartbeatmonitors", ELSEWHERE),
    "delete a monitor": ("delete", OURS, "heartbeatmonitors", ELSEWHERE),
    "write a status": (
        *("patch", OURS, "heartbeatmonitors"),
        {**ELSEWHERE, "subresource": "status"},
    ),
    "hold the leader's Lease": ("update", LEASES, "leases", HOME),
    "clear the journal in bulk": ("deletecollection", "", "configmaps", HOME),
    "read its key": ("get", "", "secrets", KEY),
    "deliver a URL": ("create", "", "secrets", ELSEWHERE),
    "deliver another URL": ("update", "", "secrets", ELSEWHERE),
    "read its policy": (
        *("get", ADMISSION, "validatingadmissionpolicies"),
        {"name": POLICY},
    ),
    "read the policy's binding": (
        *("get", ADMISSION, "validatingadmissionpolicybindings"),
        {"name": POLICY},
    ),
}

OPERATOR_MAY_NOT: dict[str, Right] = {
    "read definitions": (
        *("list", "apiextensions.k8s.io", "customresourcedefinitions"),
        {},
    ),
    "change a CronJob": ("patch", BATCH, "cronjobs", ELSEWHERE),
    "start a Job": ("create", BATCH, "jobs", ELSEWHERE),
    "delete a Job": ("delete", BATCH, "jobs", ELSEWHERE),
    "run a command in a pod": (
        *("create", "", "pods"),
        {**ELSEWHERE, "subresource": "exec"},
    ),
    "read a pod's log": ("get", "", "pods", {**ELSEWHERE, "subresource": "log"}),
    "replace a monitor": ("update", OURS, "heartbeatmonitors", ELSEWHERE),
    "replace a status": (
        *("update", OURS, "heartbeatmonitors"),
        {**ELSEWHERE, "subresource": "status"},
    ),
    "read a Secret": ("get", "", "secrets", ELSEWHERE),
    "list Secrets": ("list", "", "secrets", ELSEWHERE),
    "watch Secrets": ("watch", "", "secrets", {}),
    "delete a Secret": ("delete", "", "secrets", ELSEWHERE),
    "patch a Secret, which prints it": ("patch", "", "secrets", ELSEWHERE),
    "read another Secret at home": ("get", "", "secrets", HOME),
    "patch its key": ("patch", "", "secrets", KEY),
    "delete its key": ("delete", "", "secrets", KEY),
    "rewrite what others have told": ("patch", "events.k8s.io", "events", ELSEWHERE),
    "rewrite it the old way": ("patch", "", "events", ELSEWHERE),
    "read what others have told": ("list", "events.k8s.io", "events", ELSEWHERE),
    "read ConfigMaps elsewhere": ("get", "", "configmaps", ELSEWHERE),
    "hold a Lease elsewhere": ("create", LEASES, "leases", ELSEWHERE),
    "change its policy": (
        *("patch", ADMISSION, "validatingadmissionpolicies"),
        {"name": POLICY},
    ),
    "read another policy": (
        *("get", ADMISSION, "validatingadmissionpolicies"),
        {"name": "another"},
    ),
    "change the definition": (
        *("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
        {},
    ),
    "give itself rights": ("create", RBAC, "clusterrolebindings", {}),
    "mint a token": (
        *("create", "", "serviceaccounts"),
        {**HOME, "subresource": "token"},
    ),
}

PING_MAY: dict[str, Right] = {
    "watch monitors everywhere": ("watch", OURS, "heartbeatmonitors", {}),
    "add to the journal": ("create", "", "configmaps", HOME),
    "renew its Lease": ("patch", LEASES, "leases", HOME),
    "read the key": ("get", "", "secrets", KEY),
}

PING_MAY_NOT: dict[str, Right] = {
    "change a monitor": ("patch", OURS, "heartbeatmonitors", ELSEWHERE),
    "write a status": (
        *("patch", OURS, "heartbeatmonitors"),
        {**ELSEWHERE, "subresource": "status"},
    ),
    "read the journal": ("list", "", "configmaps", HOME),
    "change the journal": ("patch", "", "configmaps", HOME),
    "delete from the journal": ("delete", "", "configmaps", HOME),
    "write ConfigMaps elsewhere": ("create", "", "configmaps", ELSEWHERE),
    "delete a Lease": ("delete", LEASES, "leases", HOME),
    "change the key": ("patch", "", "secrets", KEY),
    "create a Secret": ("create", "", "secrets", HOME),
    "read another Secret": ("get", "", "secrets", HOME),
    "read CronJobs": ("list", BATCH, "cronjobs", {}),
    "read pods": ("list", "", "pods", {}),
    "tell of anything": ("create", "events.k8s.io", "events", ELSEWHERE),
}


def allows(account: Kube, right: Right) -> bool:
    verb, group, resource, where = right
    return account.allows(verb, group, resource, **where)


@pytest.mark.parametrize("right", OPERATOR_MAY.values(), ids=list(OPERATOR_MAY))
def test_the_operator_may(operator_account: Kube, right: Right) -> None:
    assert allows(operator_account, right)


@pytest.mark.parametrize("right", OPERATOR_MAY_NOT.values(), ids=list(OPERATOR_MAY_NOT))
def test_the_operator_may_not(operator_account: Kube, right: Right) -> None:
    assert not allows(operator_account, right)


@pytest.mark.parametrize("right", PING_MAY.values(), ids=list(PING_MAY))
def test_the_ping_service_may(ping_account: Kube, right: Right) -> None:
    assert allows(ping_account, right)


@pytest.mark.parametrize("right", PING_MAY_NOT.values(), ids=list(PING_MAY_NOT))
def test_the_ping_service_may_not(ping_account: Kube, right: Right) -> None:
    assert not allows(ping_account, right)


@pytest.mark.parametrize(
    ("role", "verbs"),
    [
        ("view", {"get", "list", "watch"}),
        ("edit", {"create", "update", "patch", "delete", "deletecollection"}),
        ("admin", {"create", "update", "patch", "delete", "deletecollection"}),
    ],
)
def test_the_cluster_s_own_roles_cover_monitors(
    kube: Kube, role: str, verbs: set[str]
) -> None:
    def covers(found: Object | None) -> bool:
        rules = (found or {}).get("rules") or []
        ours = [r["verbs"] for r in rules if r.get("apiGroups") == [OURS]]
        return verbs <= {verb for granted in ours for verb in granted}

    assert wait_until(kube, CLUSTER_ROLES, None, role, covers)


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_who_may_edit_monitors_may_not_write_their_statuses(
    kube: Kube, role: str
) -> None:
    """A status restores the operator's state: it is the operator's alone."""

    def of_ours(found: Object | None) -> list[Object]:
        rules = (found or {}).get("rules") or []
        return [rule for rule in rules if OURS in rule.get("apiGroups", [])]

    found = wait_until(kube, CLUSTER_ROLES, None, role, lambda one: bool(of_ours(one)))
    resources = {each for rule in of_ours(found) for each in rule["resources"]}
    assert resources == {"heartbeatmonitors"}
