"""By which names the page may be asked for while it listens on this machine alone.

A website can have its own name lead to 127.0.0.1 and then read, in the browser of
whoever visits it, what a port-forward shows. Its requests carry that name.

It may not open a listener.
"""

from ipaddress import ip_address

from yarl import URL


def is_loopback(host: str | None) -> bool:
    """Tell whether an address is reached from its own machine only."""
    return host is not None and _is_own_name(host, any_address=False)


def is_misled(asked: str) -> bool:
    """Tell whether a Host header names neither this machine nor an address."""
    try:
        host = URL(f"http://{asked}").host or ""
    except ValueError:
        return True
    return bool(asked) and not _is_own_name(host, any_address=True)


def _is_own_name(host: str, *, any_address: bool) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return any_address or address.is_loopback
