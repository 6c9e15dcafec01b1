"""Every way to the API server, and what is said when there is none."""

import asyncio
import base64
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from heartbeats.clock import SystemClock
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import (
    CachedAuthorization,
    Credentials,
    in_cluster,
    open_session,
)
from heartbeats.edges.kube.errors import CredentialsError, KubeError, Unreachable
from heartbeats.edges.kube.kubeconfig import find_credentials, from_kubeconfig

CLOCK = SystemClock()
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


class HandClock(SystemClock):
    """A clock whose monotonic hand is moved by the test."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments], cwd=directory, check=True, capture_output=True
    )


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, a server's and a client's certificate."""
    path = tmp_path_factory.mktemp("pki")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    (path / "san").write_text("subjectAltName=IP:127.0.0.1")
    openssl(
        path, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt",
        "-subj", "/CN=ca", "-days", "2",
    )  # fmt: skip
    for name, extra in (("server", ["-extfile", "san"]), ("client", [])):
        openssl(
            path, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}",
        )  # fmt: skip
        openssl(
            path, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey",
            "ca.key", "-out", f"{name}.crt", "-days", "2", *extra,
        )  # fmt: skip
    return path


@asynccontextmanager
async def tls_server(pki: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    """Serve HTTPS; yields its address, and who came with what."""
    shown: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert")
        subject = (
            dict(pair[0] for pair in certificate["subject"]) if certificate else {}
        )
        shown.append((subject.get("commonName"), request.headers.get("Authorization")))
        return web.json_response({})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/version", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", shown
    finally:
        await runner.cleanup()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Callable[..., str]:
    def write(
        server: str,
        cluster: dict[str, Any] | None = None,
        user: dict[str, Any] | None = None,
        **context: Any,
    ) -> str:
        content = {
            "current-context": "here",
            "clusters": [
                {"name": "c", "cluster": {"server": server, **(cluster or {})}}
            ],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u", **context}},
                {"name": "nowhere", "context": {"cluster": "x", "user": "u"}},
            ],
        }
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


@pytest.fixture
def pod(tmp_path: Path, pki: Path) -> Path:
    path = tmp_path / "serviceaccount"
    path.mkdir()
    (path / "token").write_text("first\n")
    (path / "namespace").write_text("heartbeats-system")
    (path / "ca.crt").write_text((pki / "ca.crt").read_text())
    return path


async def ask(credentials: Credentials) -> None:
    async with await open_session(credentials) as session:
        await Client(session, clock=CLOCK).request("GET", "/version")


# In a cluster


def test_a_pod_finds_its_service_account(pod: Path) -> None:
    found = in_cluster(environ=POD, clock=CLOCK, directory=pod)
    assert found.server == "https://10.0.0.1:6443"
    assert found.namespace == "heartbeats-system"
    assert found.ssl_context is not None
    assert found.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert "first" not in repr(found)


def test_a_pod_may_have_an_ipv6_api_server(pod: Path) -> None:
    environ = {**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}
    found = in_cluster(environ=environ, clock=CLOCK, directory=pod)
    assert found.server == "https://[fd00::1]:6443"


@pytest.mark.parametrize("name", ["token", "namespace", "ca.crt"])
@pytest.mark.parametrize("damage", ["missing", "empty", "binary"])
def test_a_damaged_service_account_is_told(pod: Path, name: str, damage: str) -> None:
    path = pod / name
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"" if damage == "empty" else b"\xff\xfe\x00")
    with pytest.raises(CredentialsError, match=name):
        in_cluster(environ=POD, clock=CLOCK, directory=pod)


def test_outside_of_a_pod_says_what_to_do() -> None:
    with pytest.raises(CredentialsError, match="--kubeconfig"):
        in_cluster(environ={}, clock=CLOCK)


async def test_a_rotated_token_works_without_a_new_session(api: Any, pod: Path) -> None:
    clock = HandClock()
    found = in_cluster(environ=POD, clock=clock, directory=pod)
    api.token = "first"
    async with await open_session(
        Credentials(server=api.url, source=found.source)
    ) as session:
        client = Client(session, clock=clock)
        path = "/apis/batch/v1/jobs"
        await client.request("GET", path)

        (pod / "token").write_text("second")
        await client.request("GET", path)  # still the first: a minute is not over
        clock.at += 61
        api.token = "second"
        await client.request("GET", path)


async def test_a_refused_token_is_read_anew_at_once(api: Any, pod: Path) -> None:
    found = in_cluster(environ=POD, clock=HandClock(), directory=pod)
    (pod / "token").write_text("second")
    api.token = "second"
    async with await open_session(
        Credentials(server=api.url, source=found.source)
    ) as session:
        client = Client(session, clock=CLOCK)
        with pytest.raises(KubeError, match="401"):
            await client.request("GET", "/apis/batch/v1/jobs")
        await client.request("GET", "/apis/batch/v1/jobs")


async def test_a_refusal_that_is_hidden_is_to_be_tried_again(
    api: Any, pod: Path
) -> None:
    """Kopf would close its session at a 401, and end by that."""
    found = in_cluster(environ=POD, clock=HandClock(), directory=pod)
    (pod / "token").write_text("second")
    api.token = "second"
    async with await open_session(
        Credentials(server=api.url, source=found.source), hides_refusals=True
    ) as session:
        with pytest.raises(aiohttp.ClientConnectionError, match="refuses our token"):
            await session.get("apis/batch/v1/jobs")
        async with session.get("apis/batch/v1/jobs") as answer:
            assert answer.status == 200


async def test_what_is_not_served_for_a_while_is_to_be_tried_again() -> None:
    """Kopf would end at a 404; this is how it learns of a definition that is back."""
    answers = [404, 200]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=answers.pop(0))

    app = web.Application()
    app.router.add_get("/apis", answer)
    async with (
        TestServer(app) as api,
        await open_session(
            Credentials(server=str(api.make_url(""))), hides_refusals=True
        ) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectionError, match=r"not serve.*404"):
            await session.get("apis")
        async with session.get("apis") as found:
            assert found.status == 200


async def test_a_token_that_cannot_be_read_any_more_is_still_used(
    pod: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    found = in_cluster(environ=POD, clock=clock, directory=pod)
    assert found.source is not None
    (pod / "token").unlink()
    clock.at += 61
    assert await found.source.authorization() == "Bearer first"
    assert "previous token" in caplog.text
    assert "first" not in caplog.text
    (pod / "token").write_text("second")
    assert await found.source.authorization() == "Bearer first"
    clock.at += 61
    assert await found.source.authorization() == "Bearer second"


async def test_many_requests_read_an_old_token_once() -> None:
    reads: list[int] = []
    release = threading.Event()
    release.set()

    def read() -> str:
        release.wait()
        reads.append(1)
        return f"Bearer {len(reads)}"

    clock = HandClock()
    source = CachedAuthorization(read, clock=clock)
    clock.at += 61
    release.clear()
    asyncio.get_running_loop().call_later(0.01, release.set)
    values = await asyncio.gather(*(source.authorization() for _ in range(50)))
    assert set(values) == {"Bearer 2"}


# By a kubeconfig


async def test_a_client_certificate_from_files(
    pki: Path, kubeconfig: Callable[..., str]
) -> None:
    async with tls_server(pki) as (server, shown):
        path = kubeconfig(
            server,
            {"certificate-authority": str(pki / "ca.crt")},
            {
                "client-certificate": str(pki / "client.crt"),
                "client-key": str(pki / "client.key"),
            },
            namespace="shop",
        )
        found = from_kubeconfig(path, clock=CLOCK)
        await ask(found)
    assert found.namespace == "shop"
    assert shown == [("client", None)]


async def test_a_token_and_an_authority_in_the_file_itself(
    pki: Path, kubeconfig: Callable[..., str]
) -> None:
    data = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    async with tls_server(pki) as (server, shown):
        path = kubeconfig(
            server, {"certificate-authority-data": data}, {"token": "secret"}
        )
        found = from_kubeconfig(path, clock=CLOCK)
        await ask(found)
    assert found.namespace == "default"
    assert shown == [(None, "Bearer secret")]
    assert "secret" not in repr(found)


async def test_an_unknown_authority_is_refused_unless_told_otherwise(
    pki: Path, kubeconfig: Callable[..., str]
) -> None:
    async with tls_server(pki) as (server, shown):
        with pytest.raises(Unreachable, match="certificate"):
            await ask(
                from_kubeconfig(kubeconfig(server, {}, {"token": "t"}), clock=CLOCK)
            )
        insecure = {"insecure-skip-tls-verify": True}
        await ask(
            from_kubeconfig(kubeconfig(server, insecure, {"token": "t"}), clock=CLOCK)
        )
    assert shown == [(None, "Bearer t")]


async def test_an_exec_plugin_is_run(
    pki: Path, tmp_path: Path, kubeconfig: Callable[..., str]
) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        'print(\'{"apiVersion": "client.authentication.k8s.io/v1", \'\n'
        '      \'"kind": "ExecCredential", "status": {"token": "made"}}\')\n'
    )
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(plugin)],
        "interactiveMode": "Never",
    }
    async with tls_server(pki) as (server, shown):
        authority = {"certificate-authority": str(pki / "ca.crt")}
        await ask(
            from_kubeconfig(
                kubeconfig(server, authority, {"exec": command}), clock=CLOCK
            )
        )
    assert shown == [(None, "Bearer made")]


def test_a_failing_exec_plugin_is_told(
    pki: Path, kubeconfig: Callable[..., str]
) -> None:
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/nonexistent/plugin",
        "interactiveMode": "Never",
    }
    path = kubeconfig("https://127.0.0.1:1", {}, {"exec": command})
    with pytest.raises(CredentialsError, match="exec plugin"):
        from_kubeconfig(path, clock=CLOCK)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    with pytest.raises(CredentialsError, match="heartbeats cluster up"):
        find_credentials(environ=environ, clock=CLOCK)


@pytest.mark.parametrize("content", ["", "]", "a: b", "[1]"])
def test_an_unusable_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(CredentialsError, match="Cannot use"):
        from_kubeconfig(str(path), clock=CLOCK)


@pytest.mark.parametrize("context", ["nowhere", "unknown"])
def test_a_bad_context_is_told(kubeconfig: Callable[..., str], context: str) -> None:
    path = kubeconfig("https://127.0.0.1:1", {}, {"token": "t"})
    with pytest.raises(CredentialsError, match=f"{context}.*get-contexts"):
        from_kubeconfig(path, context=context, clock=CLOCK)


@pytest.mark.parametrize("damage", ["missing", "not a certificate"])
def test_an_unreadable_authority_is_told(
    tmp_path: Path, kubeconfig: Callable[..., str], damage: str
) -> None:
    authority = tmp_path / "ca.crt"
    if damage != "missing":
        authority.write_text("no PEM")
    cluster = {"certificate-authority": str(authority)}
    path = kubeconfig("https://127.0.0.1:1", cluster, {"token": "t"})
    with pytest.raises(CredentialsError, match=r"ca\.crt"):
        from_kubeconfig(path, clock=CLOCK)


def test_a_key_that_does_not_fit_is_told(
    pki: Path, kubeconfig: Callable[..., str]
) -> None:
    user = {
        "client-certificate": str(pki / "client.crt"),
        "client-key": str(pki / "server.key"),
    }
    cluster = {"certificate-authority": str(pki / "ca.crt")}
    path = kubeconfig("https://127.0.0.1:1", cluster, user)
    with pytest.raises(CredentialsError, match="belong together"):
        from_kubeconfig(path, clock=CLOCK)


def test_without_the_package_says_how_to_install_it(
    kubeconfig: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    with pytest.raises(CredentialsError, match=r"pip install 'heartbeats\[cli\]'"):
        from_kubeconfig(kubeconfig("http://127.0.0.1:1"), clock=CLOCK)


async def test_a_plain_proxy_needs_no_user(
    api: Any, kubeconfig: Callable[..., str]
) -> None:
    found = from_kubeconfig(kubeconfig(api.url), clock=CLOCK)
    assert (found.ssl_context, found.source) == (None, None)
    async with await open_session(found) as session:
        page = await Client(session, clock=CLOCK).request("GET", "/api/v1/pods")
    assert page


def test_what_the_user_names_comes_before_the_pod(
    pod: Path, kubeconfig: Callable[..., str], tmp_path: Path
) -> None:
    path = kubeconfig("http://127.0.0.1:1")

    def server(environ: dict[str, str], **options: Any) -> str:
        found = find_credentials(environ=environ, clock=CLOCK, directory=pod, **options)
        return found.server

    assert server(POD) == "https://10.0.0.1:6443"
    assert server(POD, kubeconfig=path) == "http://127.0.0.1:1"
    assert server({**POD, "KUBECONFIG": path}) == "http://127.0.0.1:1"
    assert server({"KUBECONFIG": f"/nonexistent:{path}"}) == "http://127.0.0.1:1"
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text(Path(path).read_text())
    assert server({"HOME": str(home)}) == "http://127.0.0.1:1"
