"""Commands that look cannot write, whatever they try."""

import json
from pathlib import Path

import pytest

from heartbeats.console.access import Cluster, Target, reach
from heartbeats.console.listing import chosen
from heartbeats.console.monitors import read_all
from heartbeats.edges.kube.errors import NotLeading
from heartbeats.edges.kube.resources import MONITORS
from support.builders import NOW
from support.fakeapi import FakeApi
from support.shown import stored


async def test_no_write_leaves_this_process(api: FakeApi, cluster: Cluster) -> None:
    client, body = cluster.client, {"metadata": {"name": "a"}}
    for attempt in (
        client.create(MONITORS, body, namespace="shop"),
        client.delete(MONITORS, "a", namespace="shop"),
        client.merge(MONITORS, "a", body, namespace="shop"),
        client.apply(MONITORS, "a", body, manager="m", namespace="shop"),
    ):
        with pytest.raises(NotLeading, match="only reads"):
            await attempt
    assert api.seen == []


async def test_the_way_to_a_cluster_is_for_reading(
    api: FakeApi, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    context = {"cluster": "c", "user": "u", "namespace": "billing"}
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "here", "context": context}],
    }
    kubeconfig.write_text(json.dumps(text))
    async with reach(Target(kubeconfig=kubeconfig), {}) as cluster:
        assert cluster.scope == "billing"
        with pytest.raises(NotLeading):
            await cluster.client.create(MONITORS, {}, namespace="billing")
    everywhere = Target(kubeconfig=kubeconfig, all_namespaces=True)
    async with reach(everywhere, {}) as cluster:
        assert cluster.scope is None
    assert api.seen == []


async def test_lists_are_read_to_their_end_and_odd_objects_cost_themselves(
    api: FakeApi, cluster: Cluster
) -> None:
    for number in range(1201):
        body = stored(f"m-{number:04}")
        meta = {"creationTimestamp": body["metadata"]["creationTimestamp"]}
        more = {key: value for key, value in body.items() if key != "metadata"}
        api.put(MONITORS, f"m-{number:04}", namespace="shop", metadata=meta, **more)
    api.put(MONITORS, "odd", namespace="shop", metadata={}, spec={})
    found = await read_all(cluster)
    assert len(found) == 1201
    assert [seen.verb for seen in api.seen] == ["list", "page", "page"]
    assert len(await chosen(cluster, selector="team=a", now=NOW)) == 0
