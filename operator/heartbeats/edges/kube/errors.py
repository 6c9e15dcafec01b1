"""What can go wrong with the API server, said once, in our own words.

    KubeError
    ├── CredentialsError      no usable way to the API server was found
    ├── StaleError            what is known could not be confirmed as current
    └── ApiError              a request did not succeed
        ├── NotLeading        it was not sent: only the leader may write
        ├── Unreachable       no answer: refused, cut, TLS, timeout
        ├── Malformed         an answer, but not one of Kubernetes
        ├── Unauthorized      401
        ├── Forbidden         403; `causes` tells NamespaceTerminating from RBAC
        ├── NotFound          404
        ├── Conflict          409: the resourceVersion or a field's owner
        │   └── AlreadyExists 409 on create
        ├── Gone              410: the history asked for is no longer kept
        ├── Invalid           422: the object, not the request, is wrong
        ├── TooManyRequests   429; `retry_after` says when to come again
        └── ServerError       5xx

The client turns every failure into one of these; nobody else needs to know aiohttp's
errors. Nothing here decides what to do about them.
"""

# ruff: noqa: N818 - these are HTTP's and Kubernetes' own words.

from collections.abc import Mapping
from datetime import timedelta

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not the JSON asked for."""


class Cause(msgspec.Struct, frozen=True):
    """One of the causes in a Status."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    """The details of a Status."""

    causes: list[Cause] = []
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """The API server's Status object, as it comes in answers and in watches."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


class KubeError(Exception):
    """The root: catch this to catch all of them."""


class CredentialsError(KubeError):
    """No usable credentials; the text says what to do."""


class StaleError(KubeError):
    """What is known could not be shown to be current in time."""


class ApiError(KubeError):
    """A request failed; `code` is 0 when there was no answer."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after

    def has_cause(self, reason: str) -> bool:
        """Tell whether the Status names this reason among its causes."""
        return any(cause.reason == reason for cause in self.causes)


class NotLeading(ApiError):
    """A write that was not sent, because another replica may lead."""


class Unreachable(ApiError):
    """No answer."""


class Malformed(ApiError):
    """An answer that Kubernetes would not give; often a proxy's page."""


class Unauthorized(ApiError):
    """401."""


class Forbidden(ApiError):
    """403."""


class NotFound(ApiError):
    """404."""

    @property
    def is_of_kind(self) -> bool:
        """True when the server knows no such kind, not only no such object."""
        said = ("could not find the requested resource", "page not found")
        return any(text in self.message for text in said)


class Conflict(ApiError):
    """409."""


class AlreadyExists(Conflict):
    """409 with reason AlreadyExists."""


class Gone(ApiError):
    """410, or a Status that means it."""


class Invalid(ApiError):
    """422."""


class TooManyRequests(ApiError):
    """429."""


class ServerError(ApiError):
    """5xx."""


def from_status(status: Status, *, retry_after: timedelta | None = None) -> ApiError:
    """Return the error that a Status stands for."""
    details = status.details or Details()
    if retry_after is None and details.retry_after_seconds > 0:
        retry_after = timedelta(seconds=details.retry_after_seconds)
    return _class_of(status)(
        status.message or f"the API server answered {status.code} {status.reason}",
        code=status.code,
        reason=status.reason,
        causes=tuple(details.causes),
        retry_after=retry_after,
    )


def from_response(code: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Return the error that an HTTP answer of this code (300 or more) stands for."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except UNREADABLE:
        text = body[:200].decode(errors="replace").strip()
        status = Status(message=f"HTTP {code}: {text}" if text else f"HTTP {code}")
    return from_status(
        # The HTTP code is the one proxies and the server agree upon.
        msgspec.structs.replace(status, code=code),
        retry_after=_seconds(headers.get("Retry-After", "")),
    )


def _class_of(status: Status) -> type[ApiError]:
    match status.code, status.reason:
        case (410, _) | (_, "Expired" | "Gone"):
            return Gone
        case 409, "AlreadyExists":
            return AlreadyExists
        case code, _:
            other = ServerError if code >= _SERVER_ERRORS else ApiError
            return _BY_CODE.get(code, other)


def _seconds(text: str) -> timedelta | None:
    # The API server sends seconds; the other form, a date, is left to the back-off.
    return timedelta(seconds=int(text)) if text.isdecimal() else None


_SERVER_ERRORS = 500
_BY_CODE: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: TooManyRequests,
}


def text_of(error: Exception) -> str:
    """Say what went wrong with a request; a time-out of ours has no words itself."""
    if isinstance(error, TimeoutError):
        return "the API server did not answer in time"
    return str(error)
