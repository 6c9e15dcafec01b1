"""Pings as careless jobs send them, and everything that could tell of them after.

It holds no expectations but that a ping which must be heard is heard.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

from support.kube import Kube
from support.processes import Process, ask, until_answers
from support.restarts import HEALTH, PINGS
from support.scrapes import METRICS

PAGE = r"The page listener is at (\S+)"


@dataclass(frozen=True, slots=True)
class Stage:
    """Both roles at work, and where all that they say can be read."""

    kube: Kube
    namespace: str
    operator: Process
    pings: Process
    event_log: Path
    accounts: tuple[str, ...]
    """What the two roles are known to the API server by."""

    @property
    def url(self) -> str:
        """Return where pings are answered."""
        return self.pings.wait_for(PINGS)

    def send(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Send a ping, a POST if it has a body; return the status code."""
        service = urlsplit(self.url)
        connection = HTTPConnection(service.hostname or "", service.port, timeout=15)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body, dict(headers or {}))
            return connection.getresponse().status
        finally:
            connection.close()


def token_of(path: str) -> str:
    """Return the token at the end of a ping URL."""
    return path.rpartition("/")[2]


def speak_every_protocol(stage: Stage, path: str) -> None:
    """Check in once by each, and as a Bearer."""
    token = token_of(path)
    for each in (
        *("ping/{}", "ping/key/{}", "{}", "v1/check_in/{}", "api/v1/hb/{}"),
        *("ping/{}/start", "ping/{}/log", "ping/{}/0", "ping/{}?rid=" + str(uuid4())),
        *("api/v1/monitors/{}/checkin", "api/v1/monitors/{}"),
    ):
        until_answers(f"{stage.url}/{each.format(token)}")
    assert stage.send("/ping", headers={"Authorization": f"Bearer {token}"}) == 200


def be_careless(stage: Stage, path: str) -> None:
    """Ping as jobs do that print their own URL: in output, message and headers."""
    url, token = stage.url + path, token_of(path)
    output = f"it went wrong: curl {url}\nHEARTBEATS_URL={url.upper()}".encode()
    report = {"status": "error", "stdout": url, "stderr": token, "exit_code": 1}
    pings: list[tuple[str, bytes | None, Mapping[str, str]]] = [
        (f"{path}/log", output, {"User-Agent": url}),
        (f"{path}/log?msg={quote(url)}", None, {"Origin": url}),
        (f"/v1/check_in/{token}", json.dumps({"check_in": report}).encode(), {}),
        (f"/{token}", json.dumps({"url": url, token: 1}).encode(), {}),
        (f"{path}/fail?host={token}", output, {}),
    ]
    for each in pings:
        assert stage.send(*each) == 200


def everything_told(stage: Stage) -> dict[str, str]:
    """Return all that can be read without a right to Secrets, by where it stands."""
    found = {"event log": stage.event_log.read_text()}
    for name, process in (("operator", stage.operator), ("ping", stage.pings)):
        found[f"log of {name}"] = process.said
        health = process.wait_for(HEALTH)
        for url in (f"{process.wait_for(METRICS)}/metrics", f"{health}/readyz"):
            found[f"{name} {urlsplit(url).path}"] = ask(url)[1].decode()
    page = stage.operator.wait_for(PAGE)
    paths = ["/", "/incidents", "/api/v1/monitors"]
    for name in ("job", "imported"):
        one = f"monitors/{stage.namespace}/{name}"
        paths += [f"/{one}", f"/api/v1/{one}", f"/badge/{stage.namespace}/{name}.svg"]
    for path in paths:
        found[f"page {path}"] = until_answers(page + path).decode()
    found["/openapi.json"] = ask(f"{stage.url}/openapi.json")[1].decode()
    return found | every_object(stage.kube)


def every_object(kube: Kube) -> dict[str, str]:
    """Return every object of the cluster that is no Secret, by its collection."""
    groups = kube.send("GET", "/apis").body["groups"]
    served = [each["preferredVersion"]["groupVersion"] for each in groups]
    found: dict[str, str] = {}
    for root in ("/api/v1", *(f"/apis/{version}" for version in served)):
        for each in kube.send("GET", root).body["resources"]:
            if "list" in each["verbs"] and each["name"] != "secrets":
                path = f"{root}/{each['name']}"
                found[path] = json.dumps(kube.send("GET", path).body)
    return found


def forms(secret: str) -> set[str]:
    """Return how a secret may be written by somebody who does not think of it."""
    found = {secret, secret.upper(), secret.replace("-", "")}
    found |= {base64.b64encode(secret.encode()).decode().rstrip("=")}
    if secret.endswith("="):  # a key, in base64
        raw = base64.b64decode(secret)
        found |= {raw.hex(), base64.urlsafe_b64encode(raw).decode(), repr(raw)[2:-1]}
    return found
