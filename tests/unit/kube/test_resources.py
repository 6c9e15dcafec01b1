"""Where collections and objects live."""

import pytest

from heartbeats.edges.kube.resources import (
    ADMISSION_POLICIES,
    CRON_JOBS,
    EVENTS,
    MONITORS,
    NAMESPACES,
    PODS,
    resource_in,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("a"), "/api/v1/namespaces/a/pods"),
        (PODS.path("a", "p"), "/api/v1/namespaces/a/pods/p"),
        (CRON_JOBS.path("a", "c"), "/apis/batch/v1/namespaces/a/cronjobs/c"),
        (NAMESPACES.path(name="a"), "/api/v1/namespaces/a"),
        (
            MONITORS.path("a", "m", "status"),
            "/apis/heartbeats.dev/v1alpha1/namespaces/a/heartbeatmonitors/m/status",
        ),
        (
            ADMISSION_POLICIES.path(name="p"),
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p",
        ),
        (PODS.path("a/b", "../c"), "/api/v1/namespaces/a%2Fb/pods/..%2Fc"),
    ],
)
def test_paths_are_those_of_the_api(path: str, expected: str) -> None:
    assert path == expected


def test_impossible_paths_are_refused() -> None:
    with pytest.raises(ValueError, match="have no namespace"):
        NAMESPACES.path("a")
    with pytest.raises(ValueError, match="pass its namespace"):
        PODS.path(name="p")
    with pytest.raises(ValueError, match="pass the object's name"):
        MONITORS.path("a", subresource="status")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path("a", "p"), "pods"),
        (EVENTS.path("a"), "events"),
        (NAMESPACES.path(name="a"), "namespaces"),
        (MONITORS.path("a", "m", "status"), "heartbeatmonitors/status"),
        (ADMISSION_POLICIES.path(name="p"), "validatingadmissionpolicies"),
        ("/version", "other"),
        ("/api/v1", "other"),
    ],
)
def test_a_path_names_its_resource_for_metrics(path: str, expected: str) -> None:
    assert resource_in(path) == expected
