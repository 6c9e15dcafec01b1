"""Who is at the other end: the last hop, or whom a trusted proxy says it served.

Headers are claims. They are believed only from an address in `--trusted-proxies`,
and a claim that can't be read ends the belief instead of the request.
"""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> str:
    """Return the address the request came from; empty when there is none.

    `forwarded_for` are the X-Forwarded-For headers in their order. They are read from
    the right, as far as each hop is trusted.
    """
    if not trusted:
        return peer or ""
    address = _read(peer or "")
    if address is None:
        return ""
    claims = [claim for line in forwarded_for for claim in line.split(",")]
    while claims and is_trusted(address, trusted):
        claimed = _read(claims.pop())
        if claimed is None:
            break
        address = claimed
    return str(address)


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Tell whether the address is one of our own proxies."""
    return any(address in network for network in trusted)


def is_trusted_peer(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Tell whether the connection itself comes from one of our own proxies."""
    address = _read(peer or "")
    return address is not None and is_trusted(address, trusted)


def _read(text: str) -> Address | None:
    """Read 192.0.2.1, 192.0.2.1:8080, 2001:db8::1 and [2001:db8::1]:8080."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # The zone of a link-local address means something on its own host only.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
