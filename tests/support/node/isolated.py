"""Runs a command where nothing it starts outlives it and nothing leaves the machine.

It gets a network, a process and a mount namespace of its own, with Debian's packages
over /usr and /etc. The address of the API server's Service is one of its own.
"""

from typing import Final

from support.image.debian import Debian

SERVICE_ADDRESS: Final = "10.96.0.1"
"""The first of the Services' addresses: that of the Service `kubernetes`."""

_SET_UP: Final = f"""
set -e
ip link set lo up
ip address add {SERVICE_ADDRESS}/32 dev lo
exec "$@"
"""


def isolated(debian: Debian, *command: str) -> list[str]:
    """Return the command that runs another like this."""
    apart = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    return debian.command(*apart, "sh", "-c", _SET_UP, "sh", *command)
