"""Namespaces that refuse a kind of object."""

from support.kube import Kube, wait_until
from support.resources import QUOTAS, Object


def forbid(kube: Kube, namespace: str, kind: str) -> None:
    """Have a namespace refuse a kind of object, by a quota that is in force.

    Admission counts only against what the quota controller wrote into the status.
    """
    kube.create(
        {
            "apiVersion": QUOTAS.api_version,
            "kind": QUOTAS.kind,
            "metadata": {"name": "none", "namespace": namespace},
            "spec": {"hard": {f"count/{kind}": "0"}},
        }
    )
    wait_until(kube, QUOTAS, namespace, "none", _is_in_force)


def _is_in_force(found: Object | None) -> bool:
    return bool((found or {}).get("status", {}).get("hard"))
