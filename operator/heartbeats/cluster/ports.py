"""Finds TCP ports on 127.0.0.1 that are free now. Reserves nothing."""

import secrets
import socket

_RANGE = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections (32768 and up): a port of
ours stays free while its program is down, so that it can be started again on it."""

_ATTEMPTS = 200


def free_ports(count: int) -> list[int]:
    """Return that many different ports that nothing listens on."""
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return found
        port = secrets.choice(_RANGE)
        if port not in found and is_free(port):
            found.append(port)
    # The usual range is crowded, so take what the kernel has.
    return found + [_any_port() for _ in range(count - len(found))]


def is_free(port: int) -> bool:
    """Tell whether a server could listen on that port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As Go's servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
