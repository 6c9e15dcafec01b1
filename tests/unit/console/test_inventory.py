"""What preview reads, in which order, and what it does without a right."""

import pytest

from heartbeats.console.access import Cluster, SaidError
from heartbeats.console.inventory import take_stock
from heartbeats.edges.kube.errors import NotFound
from heartbeats.edges.kube.resources import CRON_JOBS, JOBS, MONITORS, NAMESPACES
from support.builders import monitor_object, owner
from support.fakeapi import FakeApi, Fault

DENIED = Fault("list", status=403)
PASSED = Fault("list")


def fill(api: FakeApi) -> None:
    api.put(CRON_JOBS, "nightly", namespace="shop", spec={"schedule": "0 * * * *"})
    texts = {"heartbeats.dev/owner": "ann", "other.dev/owner": "bob"}
    api.put(NAMESPACES, "shop", metadata={"annotations": texts})
    mine = {"ownerReferences": [owner()]}
    api.put(JOBS, "nightly-1", namespace="shop", metadata=mine)
    made = monitor_object()["metadata"]["creationTimestamp"]
    created = {"creationTimestamp": made}
    spec = {"cronJob": {"name": "nightly"}}
    api.put(MONITORS, "mine", namespace="shop", metadata=created, spec=spec)


async def test_all_of_it_is_read(api: FakeApi, cluster: Cluster) -> None:
    fill(api)
    found = await take_stock(cluster)
    assert [facts.name for facts in found.cron_jobs] == ["nightly"]
    assert [job.metadata.name for job in found.jobs] == ["nightly-1"]
    assert [seen.key.name for seen in found.monitors] == ["mine"]
    assert found.is_installed
    assert found.unread == []
    assert found.namespaces == {"shop": {"heartbeats.dev/owner": "ann"}}


async def test_a_namespace_that_may_not_be_read_is_named(
    api: FakeApi, cluster: Cluster
) -> None:
    fill(api)
    api.fail(Fault("get", status=403))
    found = await take_stock(cluster)
    [namespaces] = found.unread
    assert namespaces.startswith("You lack a right: ")
    assert "Annotations on Namespaces are not known" in namespaces


async def test_without_a_right_the_rest_is_read(api: FakeApi, cluster: Cluster) -> None:
    fill(api)
    for fault in (PASSED, DENIED, DENIED):
        api.fail(Fault("list", status=fault.status))
    found = await take_stock(cluster)
    assert len(found.cron_jobs) == 1
    assert (found.jobs, found.monitors) == ([], [])
    assert "What their runs did is not known." in found.unread[0]
    assert "Which monitors there are is not known" in found.unread[1]


async def test_without_cronjobs_nothing_can_be_told(
    api: FakeApi, cluster: Cluster
) -> None:
    api.fail(DENIED)
    with pytest.raises(SaidError, match="Without it nothing can be told"):
        await take_stock(cluster)


async def test_a_cluster_without_our_definition_has_no_monitors(
    api: FakeApi, cluster: Cluster
) -> None:
    fill(api)
    for _ in range(2):
        api.fail(Fault("list"))
    api.fail(Fault("list", status=404))
    found = await take_stock(cluster)
    assert (found.is_installed, found.monitors) == (False, [])


def test_a_kind_that_is_unknown_is_told_from_an_object_that_is() -> None:
    lacking = "the server could not find the requested resource"
    assert NotFound(lacking).is_of_kind
    assert not NotFound('heartbeatmonitors "nightly" not found').is_of_kind
