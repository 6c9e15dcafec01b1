"""The few requests to the API server that starting a cluster takes.

Blocking, with the standard library alone, for this package's own use.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 5.0
"""Seconds for one request to a server on this machine."""


@dataclass(frozen=True, slots=True)
class AdminApi:
    """The API server of a cluster, as its administrator."""

    server: str
    pki: Path

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send one request; returns status and body, or (0, b"") if nobody answers."""
        address = urlsplit(self.server)
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=_TIMEOUT, context=self._tls()
        )
        payload = None if body is None else json.dumps(body)
        try:
            connection.request(
                method, path, payload, {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def answers(self, path: str) -> bool:
        """Tell whether a GET of that path succeeds."""
        return self.request("GET", path)[0] == http.HTTPStatus.OK

    def node_is_ready(self, name: str) -> bool:
        """Tell whether the node has the condition Ready=True."""
        status, body = self.request("GET", f"/api/v1/nodes/{name}")
        if status != http.HTTPStatus.OK:
            return False
        conditions = json.loads(body).get("status", {}).get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context
