"""Each account may do what the shipped rules say, and nothing else that exists.

Goes through every resource that the API server serves, every verb and the places that
matter, and asks the authorizer. `test_rbac.py` says in words what the rights are for.
"""

from collections.abc import Iterable
from functools import cache

import pytest

from support.control_plane import POLICY, ROOT, SYSTEM
from support.kube import Kube
from support.resources import ACCESS_REVIEWS, Object, read_manifests

pytestmark = pytest.mark.integration

Ask = tuple[str, str, str]
"""Verb, API group, resource (with its subresource)."""

EVERYWHERE = ""
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
MANY = "deletecollection"

BEYOND: tuple[Ask, ...] = (
    *(("impersonate", "", each) for each in ("users", "groups", "serviceaccounts")),
    *(
        (verb, "rbac.authorization.k8s.io", role)
        for verb in ("bind", "escalate")
        for role in ("roles", "clusterroles")
    ),
    *(
        (verb, "certificates.k8s.io", "signers")
        for verb in ("approve", "sign", "attest")
    ),
)
"""Verbs that no discovery tells of, all of which raise rights."""

EVERYBODY: frozenset[Ask] = frozenset(
    {
        ("create", "authentication.k8s.io", "selfsubjectreviews"),
        ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
        ("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
    }
)
"""What whoever has logged in may: ask about itself."""

NAMES = ("heartbeats-ping-key", POLICY)
"""The two names that rules narrow rights to."""

HARMLESS = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi/v3")
"""Of paths that are no resources, what everybody may read."""

CLOSED = ("/metrics", "/logs", "/debug/pprof/heap", "/configz", "/statusz", "/flagz")


@cache
def rules_of(account: str, place: str) -> tuple[Object, ...]:
    """Return the shipped rules that hold for an account in a place."""
    shipped = read_manifests(ROOT / "manifests" / "rights")
    roles = {(o["kind"], o["metadata"]["name"]): o for o in shipped}
    bindings = (
        o
        for o in shipped
        if o["kind"] == "ClusterRoleBinding"
        or (o["kind"] == "RoleBinding" and o["metadata"]["namespace"] == place)
    )
    return tuple(
        rule
        for binding in bindings
        if any(subject["name"] == account for subject in binding["subjects"])
        for rule in roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]][
            "rules"
        ]
    )


def is_granted(ask: Ask, rules: Iterable[Object], name: str = "") -> bool:
    """Tell whether rules grant something, for an object of that name."""
    verb, group, resource = ask
    return any(
        verb in rule["verbs"]
        and group in rule["apiGroups"]
        and resource in rule["resources"]
        and (not rule.get("resourceNames") or name in rule["resourceNames"])
        for rule in rules
    )


def served(kube: Kube) -> dict[tuple[str, str], bool]:
    """Return every (group, resource) that is served: whether it has namespaces."""
    groups = kube.send("GET", "/apis").body["groups"]
    versions = [v["groupVersion"] for each in groups for v in each["versions"]]
    found: dict[tuple[str, str], bool] = {}
    for path in ("/api/v1", *(f"/apis/{version}" for version in versions)):
        body = kube.send("GET", path).body
        group = body["groupVersion"].rpartition("/")[0]
        for each in body["resources"]:
            found[group, each["name"]] = each["namespaced"]
    return found


def questions(kube: Kube, place: str) -> list[Ask]:
    """Return all that can be done in a place."""
    everything = [
        (verb, group, resource)
        for (group, resource), has_namespaces in served(kube).items()
        if has_namespaces or place == EVERYWHERE
        for verb in (*VERBS, MANY)
    ]
    assert len(everything) > 500, "the discovery tells of too little"
    return [*everything, *BEYOND]


def may(account: Kube, ask: Ask, place: str, name: str = "") -> bool:
    """Ask the authorizer."""
    verb, group, path = ask
    resource, _, subresource = path.partition("/")
    where = {"namespace": place, "name": name, "subresource": subresource}
    return account.allows(
        verb, group, resource, **{k: v for k, v in where.items() if v}
    )


@pytest.mark.parametrize("place", [SYSTEM, "kube-system", EVERYWHERE])
@pytest.mark.parametrize("role", ["operator", "ping"])
def test_the_server_grants_what_the_shipped_rules_say_and_nothing_else(
    kube: Kube, operator_account: Kube, ping_account: Kube, role: str, place: str
) -> None:
    account = {"operator": operator_account, "ping": ping_account}[role]
    rules = rules_of(f"heartbeats-{role}", place)
    asks = questions(kube, place)
    granted = {ask for ask in asks if may(account, ask, place)}
    expected = {ask for ask in asks if is_granted(ask, rules) or ask in EVERYBODY}
    assert granted - expected == set(), "more than the rules say"
    assert expected - granted == set(), "less than the rules say"


@pytest.mark.parametrize("role", ["operator", "ping"])
def test_a_right_that_is_narrowed_to_a_name_covers_that_name_only(
    kube: Kube, operator_account: Kube, ping_account: Kube, role: str
) -> None:
    account = {"operator": operator_account, "ping": ping_account}[role]
    rules = rules_of(f"heartbeats-{role}", SYSTEM)
    kinds = {
        (group, resource)
        for rule in rules
        if rule.get("resourceNames")
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert ("", "secrets") in kinds
    everywhere_too = served(kube)
    for group, resource in kinds:
        place = SYSTEM if everywhere_too[group, resource] else EVERYWHERE
        for verb in VERBS:
            for name in (*NAMES, "another"):
                ask = (verb, group, resource)
                expected = is_granted(ask, rules, name)
                assert may(account, ask, place, name) == expected, (ask, name)


def test_an_account_reads_no_path_of_the_server_that_is_not_everybody_s(
    operator_account: Kube, ping_account: Kube
) -> None:
    for account in (operator_account, ping_account):
        assert {path for path in HARMLESS if not may_read(account, path)} == set()
        assert {path for path in CLOSED if may_read(account, path)} == set()


def may_read(account: Kube, path: str) -> bool:
    """Ask the authorizer about a path that is no resource."""
    spec = {"nonResourceAttributes": {"verb": "get", "path": path}}
    body = {"apiVersion": ACCESS_REVIEWS.api_version, "spec": spec}
    review = account.send("POST", ACCESS_REVIEWS.path(), body).body
    return bool(review["status"]["allowed"])
