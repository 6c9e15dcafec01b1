"""Credentials from a kubeconfig, for people and tests outside a cluster.

The `kubernetes` package reads the file; it is imported only here and only then,
because it is large and not in the image. Nothing is ever written back to the file.
"""

import importlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartbeats.clock import Clock
from heartbeats.edges.kube.credentials import (
    SERVICE_ACCOUNT,
    CachedAuthorization,
    Credentials,
    in_cluster,
    trust,
)
from heartbeats.edges.kube.errors import CredentialsError


def find_credentials(
    *,
    environ: Mapping[str, str],
    clock: Clock,
    kubeconfig: str | None = None,
    context: str | None = None,
    directory: Path = SERVICE_ACCOUNT,
) -> Credentials:
    """Take what the user named, else $KUBECONFIG, the pod's, ~/.kube/config."""
    named = kubeconfig or environ.get("KUBECONFIG")
    if not (named or context) and environ.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(environ=environ, clock=clock, directory=directory)
    home = Path(environ.get("HOME", "~")).expanduser()
    files = named or str(home / ".kube" / "config")
    return from_kubeconfig(files, context=context, clock=clock)


def from_kubeconfig(
    files: str, *, clock: Clock, context: str | None = None
) -> Credentials:
    """Return the credentials of a context (the current one) of one or several files."""
    _need_a_file(files)
    kubernetes = _library()
    settings = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(
            config_file=files,
            context=context,
            client_configuration=settings,
            persist_config=False,
        )
        namespace = _namespace(kubernetes, files, context)
    except (AttributeError, TypeError, KeyError) as error:
        # What the package says of a file that is something else helps nobody.
        raise CredentialsError(
            f"Cannot use {files}: it is no kubeconfig. `kubectl config view` shows a "
            "good one."
        ) from error
    except Exception as error:
        raise CredentialsError(
            f"Cannot use {files}{f' with context {context!r}' if context else ''}: "
            f"{error}. `kubectl config get-contexts` lists what there is."
        ) from error
    return Credentials(
        server=settings.host,
        namespace=namespace,
        ssl_context=_tls(settings) if settings.host.startswith("https") else None,
        source=_source(settings, files, clock=clock),
    )


def _need_a_file(files: str) -> None:
    paths = [Path(path).expanduser() for path in files.split(":") if path]
    if not any(path.is_file() for path in paths):
        raise CredentialsError(
            f"There is no kubeconfig at {files}, and this is no pod. Pass "
            "--kubeconfig, set KUBECONFIG, or start a cluster: heartbeats cluster up."
        )


def _library() -> Any:
    try:
        importlib.import_module("kubernetes.config")
        return importlib.import_module("kubernetes")
    except ImportError as error:
        raise CredentialsError(
            "Reading a kubeconfig needs the kubernetes package: "
            "pip install 'heartbeats[cli]'."
        ) from error


def _namespace(kubernetes: Any, files: str, context: str | None) -> str:
    contexts, active = kubernetes.config.list_kube_config_contexts(config_file=files)
    for entry in contexts:
        if entry["name"] == (context or active["name"]):
            return str(entry["context"].get("namespace") or "default")
    return "default"


def _tls(settings: Any) -> ssl.SSLContext:
    authority = settings.ssl_ca_cert
    tls = trust(Path(authority) if authority else None)
    if not settings.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        try:
            tls.load_cert_chain(settings.cert_file, settings.key_file)
        except OSError as error:
            raise CredentialsError(
                f"Cannot use the client certificate {settings.cert_file}: {error}. "
                "Certificate and key must be PEM and belong together."
            ) from error
    return tls


def _source(settings: Any, files: str, *, clock: Clock) -> CachedAuthorization | None:
    if settings.api_key.get("BearerToken"):
        # Runs an exec plugin again once what it gave has expired.
        return CachedAuthorization(
            lambda: str(settings.get_api_key_with_prefix("BearerToken")), clock=clock
        )
    if settings.host.startswith("https") and not settings.cert_file:
        raise CredentialsError(
            f"{files} gives no user for {settings.host}. If it uses an exec plugin, "
            "run `kubectl version` to see why that fails."
        )
    return None
