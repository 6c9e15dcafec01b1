"""The install for one namespace: the rights of all, less what lies beyond."""

from pathlib import Path

import pytest

from support.resources import Object, read_manifests

MANIFESTS = Path(__file__).parents[2] / "manifests"
RIGHTS = read_manifests(MANIFESTS / "rights")
OVERLAY = MANIFESTS / "overlays" / "namespaced"
NARROW = [
    each
    for file in ("serviceaccounts.yaml", "rbac-operator.yaml", "rbac-ping.yaml")
    for each in read_manifests(OVERLAY / file)
]

Grant = tuple[str, str, str, str]
"""API group, resource, name (or nothing), verb."""

BEYOND = {
    "namespaces",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
}
MINTS: set[Grant] = {("", "secrets", "", "create")}
"""A right that only the admission policy makes harmless, and there is none."""


def grants(manifests: list[Object], name: str) -> set[Grant]:
    """Return all that the roles of this name grant, wherever they grant it."""
    return {
        (group, resource, named, verb)
        for role in manifests
        if role["kind"] in {"Role", "ClusterRole"} and role["metadata"]["name"] == name
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for named in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("account", ["heartbeats-operator", "heartbeats-ping"])
def test_an_account_has_the_rights_that_lie_within_a_namespace(account: str) -> None:
    expected = {each for each in grants(RIGHTS, account) if each[1] not in BEYOND}
    assert grants(NARROW, account) == expected - MINTS


def test_nothing_reaches_beyond_the_namespace() -> None:
    kinds = sorted(each["kind"] for each in NARROW)
    assert kinds == sorted(["Role", "RoleBinding", "ServiceAccount"] * 2)


def test_no_object_names_a_namespace_so_that_one_place_decides() -> None:
    for each in NARROW:
        assert "namespace" not in each["metadata"]
        for subject in each.get("subjects", []):
            assert "namespace" not in subject
