"""What the manifests grant, and that the rights hold together."""

from pathlib import Path
from typing import Any

import pytest

from support.resources import Object, read_manifests, resource_of

RIGHTS = Path(__file__).parents[2] / "manifests" / "rights"
SYSTEM = "heartbeats-system"
KEY_SECRET = "heartbeats-ping-key"

READ = {"get", "list", "watch"}

ALL = read_manifests(RIGHTS)


def named(kind: str, name: str) -> Object:
    """Return the one object of that kind and name."""
    [found] = [o for o in ALL if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def rules(*kinds: str) -> list[Any]:
    """Return every rule of those kinds of role, as parameters."""
    return [
        pytest.param(role, rule, id=f"{role['kind']} {role['metadata']['name']} {i}")
        for role in ALL
        if role["kind"] in kinds
        for i, rule in enumerate(role["rules"])
    ]


def grants(kind: str, name: str) -> dict[tuple[str, str], set[str]]:
    """Return what a role grants: (group, resource) to verbs; named objects apart."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in named(kind, name)["rules"]:
        suffix = "".join(f":{n}" for n in rule.get("resourceNames", []))
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                key = (group, resource + suffix)
                found[key] = found.get(key, set()) | set(rule["verbs"])
    return found


def test_the_operator_may_do_this_and_nothing_else_in_the_cluster() -> None:
    policy = "admissionregistration.k8s.io"
    assert grants("ClusterRole", "heartbeats-operator") == {
        ("batch", "cronjobs"): READ,
        ("batch", "jobs"): READ,
        ("", "pods"): {"get", "list"},
        ("", "namespaces"): READ,
        ("", "events"): {"list"},
        ("events.k8s.io", "events"): {"create"},
        ("heartbeats.dev", "heartbeatmonitors"): {*READ, "create", "patch", "delete"},
        ("heartbeats.dev", "heartbeatmonitors/status"): {"patch"},
        (policy, "validatingadmissionpolicies:heartbeats-ping-secrets"): {"get"},
        (policy, "validatingadmissionpolicybindings:heartbeats-ping-secrets"): {"get"},
    }


def test_the_operator_may_do_this_and_nothing_else_at_home() -> None:
    assert grants("Role", "heartbeats-operator") == {
        ("coordination.k8s.io", "leases"): {
            *(*READ, "create", "update", "patch", "delete"),
        },
        ("", "configmaps"): {*READ, "create", "delete", "deletecollection"},
        ("", f"secrets:{KEY_SECRET}"): {"get"},
        ("", "secrets"): {"create"},
    }


def test_secrets_elsewhere_are_written_blindly_and_by_a_role_of_their_own() -> None:
    assert grants("ClusterRole", "heartbeats-ping-secrets") == {
        ("", "secrets"): {"create", "update"},
    }


def test_the_ping_service_reads_monitors_and_adds_to_the_journal() -> None:
    assert grants("ClusterRole", "heartbeats-ping") == {
        ("heartbeats.dev", "heartbeatmonitors"): READ,
    }
    assert grants("Role", "heartbeats-ping") == {
        ("", "configmaps"): {"create"},
        ("coordination.k8s.io", "leases"): {"get", "create", "update", "patch"},
        ("", f"secrets:{KEY_SECRET}"): {"get"},
    }


@pytest.mark.parametrize(("role", "rule"), rules("Role", "ClusterRole"))
def test_no_rule_has_a_wildcard(role: Object, rule: Object) -> None:
    words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert not [word for word in words if "*" in word]
    assert "nonResourceURLs" not in rule


@pytest.mark.parametrize(("role", "rule"), rules("Role", "ClusterRole"))
def test_no_secret_is_read_but_the_key(role: Object, rule: Object) -> None:
    if "secrets" in rule["resources"] and rule.get("resourceNames") != [KEY_SECRET]:
        # A refused patch prints the object: see test_secrets_policy.py.
        assert set(rule["verbs"]) <= {"create", "update"}


@pytest.mark.parametrize(("role", "rule"), rules("Role", "ClusterRole"))
def test_nobody_may_raise_rights(role: Object, rule: Object) -> None:
    dangerous = {"escalate", "bind", "impersonate", "approve", "sign"}
    assert not dangerous & set(rule["verbs"])
    assert "rbac.authorization.k8s.io" not in rule["apiGroups"]
    assert "serviceaccounts/token" not in rule["resources"]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(o, id=f"{o['kind']} {o['metadata']['name']}")
        for o in ALL
        if o["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    ],
)
def test_a_binding_joins_a_role_and_an_account_that_exist(manifest: Object) -> None:
    role = manifest["roleRef"]
    named(role["kind"], role["name"])
    for subject in manifest["subjects"]:
        assert subject["namespace"] == SYSTEM
        account = named(subject["kind"], subject["name"])
        assert account["metadata"]["namespace"] == SYSTEM


def test_no_object_stands_there_twice() -> None:
    keys = [
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in ALL
    ]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "manifest",
    [pytest.param(o, id=f"{o['kind']} {o['metadata']['name']}") for o in ALL],
)
def test_an_object_lives_in_our_namespace_and_says_whose_it_is(
    manifest: Object,
) -> None:
    metadata = manifest["metadata"]
    expected = SYSTEM if resource_of(manifest).namespaced else None
    assert metadata.get("namespace") == expected
    assert metadata["labels"]["app.kubernetes.io/name"] == "heartbeats"


def test_pods_of_our_namespace_are_held_to_the_restricted_profile() -> None:
    labels = named("Namespace", SYSTEM)["metadata"]["labels"]
    levels = {
        labels[f"pod-security.kubernetes.io/{mode}"]
        for mode in ("enforce", "audit", "warn")
    }
    assert levels == {"restricted"}


POLICY = named("ValidatingAdmissionPolicy", "heartbeats-ping-secrets")["spec"]


def test_the_policy_covers_every_way_to_write_a_secret() -> None:
    assert POLICY["matchConstraints"] == {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["secrets"],
                "scope": "*",
            }
        ],
    }


def test_the_policy_refuses_when_it_cannot_judge() -> None:
    assert POLICY["failurePolicy"] == "Fail"
    binding = named("ValidatingAdmissionPolicyBinding", "heartbeats-ping-secrets")
    assert binding["spec"] == {
        "policyName": "heartbeats-ping-secrets",
        "validationActions": ["Deny"],
    }


def test_the_policy_asks_for_the_account_that_the_bindings_name() -> None:
    [binding] = [
        o
        for o in ALL
        if o["kind"] == "ClusterRoleBinding"
        and o["roleRef"]["name"] == "heartbeats-ping-secrets"
    ]
    [subject] = binding["subjects"]
    user = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    [condition] = POLICY["matchConditions"]
    assert condition["expression"] == f"request.userInfo.username == '{user}'"


@pytest.mark.parametrize(
    "validation", [pytest.param(v, id=v["message"]) for v in POLICY["validations"]]
)
def test_a_validation_judges_the_old_object_too(validation: Object) -> None:
    assert "variables.beforeAndAfter.all(s, " in validation["expression"]
    assert "object." not in validation["expression"].replace("variables.", "")
    assert validation["reason"] == "Forbidden"


def test_the_key_is_held_to_its_type_and_only_to_that() -> None:
    free = [v for v in POLICY["validations"] if "isKey" not in v["expression"]]
    assert [v["expression"] for v in free] == [
        "variables.beforeAndAfter.all(s, s.type == 'Opaque')"
    ]
