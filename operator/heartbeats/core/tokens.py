"""Ping tokens: a UUIDv8 that names a monitor and proves that we made it.

A token holds 62 bits derived from namespace, name and version, and a 60-bit
message authentication code over them. Whether a token is one of ours is thus known
without any list of monitors; which monitor it names is known to a list only.
Bound to the name and not to the uid: a restored monitor keeps its URL.

Pure: keys come in as values. Nothing here reads a Secret or writes a log, and a
key never shows its secret.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from heartbeats.core.model import MonitorKey

MIN_SECRET_BYTES = 16
"""Below this a secret could be guessed from one token."""

_IDENT_BITS = 62  # what follows the variant in a UUIDv8
_MAC_BITS = 60  # what surrounds the version, 48 and 12 bits
_VERSION_AND_VARIANT = (8 << 76) | (0b10 << 62)
_VERSION_AND_VARIANT_MASK = (0xF << 76) | (0b11 << 62)

# One purpose each: what one of them signs never stands for another.
_IDENT_DOMAIN = b"heartbeats.dev/ping-token/ident\0"
_MAC_DOMAIN = b"heartbeats.dev/ping-token/mac\0"
_KEY_ID_DOMAIN = b"heartbeats.dev/ping-token/key-id\0"


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key; `id` may be shown, the secret never is."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "Key":
        """Name a secret by its fingerprint; ValueError when it is too short."""
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(
                f"the ping key has {len(secret)} bytes; use {MIN_SECRET_BYTES} "
                "random bytes or more, for example `openssl rand 32`"
            )
        return cls(hashlib.sha256(_KEY_ID_DOMAIN + secret).hexdigest()[:12], secret)


def mint(key: Key, monitor: MonitorKey, version: int) -> str:
    """Make the token of a monitor: the same arguments, the same token."""
    ident = _bits(key, _IDENT_DOMAIN + _encode(monitor, version), _IDENT_BITS)
    return str(UUID(int=_assemble(key, ident)))


def is_ours(keys: Iterable[Key], token: str) -> bool:
    """Tell whether one of these keys made the token; garbage is False."""
    try:
        value = UUID(token).int
    except (ValueError, TypeError, AttributeError):
        return False
    if value & _VERSION_AND_VARIANT_MASK != _VERSION_AND_VARIANT:
        return False
    ident = value & ((1 << _IDENT_BITS) - 1)
    # The whole text is compared: upper case and other spellings are not ours.
    made = [str(UUID(int=_assemble(key, ident))) for key in keys]
    return any(hmac.compare_digest(one.encode(), _ascii(token)) for one in made)


def _assemble(key: Key, ident: int) -> int:
    """Lay out 48 + 12 bits of code around the version, the ident after the variant."""
    mac = _bits(key, _MAC_DOMAIN + ident.to_bytes(8, "big"), _MAC_BITS)
    high, middle = mac >> 12, mac & 0xFFF
    return (high << 80) | (middle << 64) | ident | _VERSION_AND_VARIANT


def _bits(key: Key, message: bytes, count: int) -> int:
    """Take the first `count` (at most 64) bits of the keyed digest."""
    digest = hmac.digest(key.secret, message, "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - count)


def _encode(monitor: MonitorKey, version: int) -> bytes:
    """Write every part behind its length: no two monitors have the same bytes."""
    parts = (monitor.namespace, monitor.name, str(version))
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _ascii(text: str) -> bytes:
    """Encode what may be any text; what is not ASCII can't equal a token."""
    return text.encode("ascii", "replace")
