"""What the operator was told to do: flags and environment as one frozen value.

The command line fills it in; nothing else reads the environment.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

OWN_NAMESPACE: Final = "heartbeats-system"


class Role(StrEnum):
    """Which part of Heartbeats a process is."""

    ALL = "all"
    OPERATOR = "operator"
    PING = "ping"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


MAX_PORT: Final = 65_535
LONGEST_PORT: Final = 5


class AddressError(ValueError):
    """A text is no HOST:PORT; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. No host means all addresses; port 0 any free port."""

    host: str | None
    port: int

    def __str__(self) -> str:
        """Write it as HOST:PORT, with brackets around an IPv6 address."""
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read HOST:PORT, [IPv6]:PORT or :PORT (all addresses); AddressError if wrong."""
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        raise AddressError(_instead(text, "lacks a port"))
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(_instead(text, "has an IPv6 address without brackets"))
    if not (port.isascii() and port.isdigit() and len(port) <= LONGEST_PORT):
        raise AddressError(_instead(text, "has no port from 0 to 65535"))
    if int(port) > MAX_PORT:
        raise AddressError(_instead(text, "has no port from 0 to 65535"))
    if any(not letter.isprintable() or letter in " /[]@" for letter in host):
        raise AddressError(_instead(text, "has no valid host"))
    return Address(host or None, int(port))


def _instead(text: str, problem: str) -> str:
    return (
        f"{text!r} {problem}: write HOST:PORT like 127.0.0.1:8080 or [::1]:8080, "
        "or :8080 for all addresses"
    )


def may_call(url: str | None) -> bool:
    """Tell whether a URL can be called by HTTP; there need not be one."""
    if url is None:
        return True
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a process was told."""

    role: Role = Role.ALL
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    """Only this namespace is watched; None: all of them."""
    own_namespace: str = OWN_NAMESPACE
    """Where Leases, the journal and the signing key live."""
    ping_address: Address = Address(None, 8080)
    metrics_address: Address = Address(None, 9090)
    health_address: Address = Address(None, 8081)
    page_address: Address = Address("127.0.0.1", 8082)
    public_url: str | None = None
    self_ping_url: str | None = field(default=None, repr=False)
    """What the leading operator calls while evaluation works; it may hold a token."""
    auto_monitor: str = "all"
    cluster_time_zone: str = "UTC"
    cluster_name: str = ""
    ping_secrets: bool = True
    api_write_budget: float = 50.0
    """Status writes a second."""
    journal_bytes_per_second: int = 1024 * 1024
    exclude_namespaces: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    """The ping protocols that are answered; none named: all."""
    trusted_proxies: tuple[str, ...] = ()
    capture_output: str = "failures"
    metrics_level: str = "full"
    metric_labels: tuple[str, ...] = ()
    event_log: Path | None = None
    log_format: LogFormat = LogFormat.TEXT
    log_level: str = "INFO"
