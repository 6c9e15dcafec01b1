"""etcd behind a control plane's API server, asked over its HTTP gateway.

For what the API server would never do: forget its history, or hold what no schema
allows. Holds no expectations.
"""

import base64
import json
from http import HTTPStatus
from typing import Any
from urllib.request import Request, urlopen

from heartbeats.cluster.controlplane import ControlPlane
from support.resources import MONITORS, Object


def ask_etcd(plane: ControlPlane, path: str, **body: Any) -> Any:
    """Send one request; return the answer."""
    url = f"http://127.0.0.1:{plane.plan.ports.etcd}/v3/{path}"
    request = Request(url, data=json.dumps(body).encode())
    with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own etcd
        assert answer.status == HTTPStatus.OK
        return json.load(answer)


def compact(plane: ControlPlane, revision: str) -> None:
    """Forget all versions before a revision, in the file too."""
    ask_etcd(plane, "kv/compaction", revision=revision, physical=True)


def make_room(plane: ControlPlane, revision: str) -> None:
    """Give back what is deleted, and let it be written again: as an administrator."""
    compact(plane, revision)
    ask_etcd(plane, "maintenance/defragment")
    for alarm in ask_etcd(plane, "maintenance/alarm", action="GET")["alarms"]:
        ask_etcd(plane, "maintenance/alarm", action="DEACTIVATE", **alarm)


def stored_monitor(plane: ControlPlane, namespace: str, name: str) -> Object:
    """Return a monitor as it is stored."""
    answer = ask_etcd(plane, "kv/range", key=_key(namespace, name))
    found: Object = json.loads(base64.b64decode(answer["kvs"][0]["value"]))
    return found


def store_monitor(
    plane: ControlPlane, namespace: str, name: str, stored: Object
) -> None:
    """Write a monitor past the API server, and past every check."""
    value = base64.b64encode(json.dumps(stored).encode()).decode()
    ask_etcd(plane, "kv/put", key=_key(namespace, name), value=value)


def _key(namespace: str, name: str) -> str:
    group = MONITORS.api_version.partition("/")[0]
    key = f"/registry/{group}/{MONITORS.plural}/{namespace}/{name}"
    return base64.b64encode(key.encode()).decode()
