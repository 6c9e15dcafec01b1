"""Every answer that is no success becomes one of our own errors."""

import json
from datetime import timedelta

import pytest

from heartbeats.edges.kube import errors


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", errors.ApiError),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Gone", errors.Gone),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.ServerError),
        (504, "Timeout", errors.ServerError),
    ],
)
def test_code_and_reason_decide_the_class(
    code: int, reason: str, expected: type[errors.ApiError]
) -> None:
    body = json.dumps({"code": code, "reason": reason, "message": "why"}).encode()
    error = errors.from_response(code, {}, body)
    assert type(error) is expected
    assert (error.code, error.reason, str(error)) == (code, reason, "why")


def test_a_taken_name_is_also_a_conflict() -> None:
    assert issubclass(errors.AlreadyExists, errors.Conflict)


def test_a_watch_may_report_an_expired_version_without_a_code() -> None:
    error = errors.from_status(errors.Status(reason="Expired", message="too old"))
    assert type(error) is errors.Gone


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"\xff\xfe", b"[]"])
def test_an_answer_of_a_proxy_is_told_by_its_code(body: bytes) -> None:
    error = errors.from_response(502, {}, body)
    assert type(error) is errors.ServerError
    assert "502" in str(error)


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [
        ({"Retry-After": "7"}, {}, timedelta(seconds=7)),
        ({}, {"retryAfterSeconds": 3}, timedelta(seconds=3)),
        ({"Retry-After": "7"}, {"retryAfterSeconds": 3}, timedelta(seconds=7)),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"Retry-After": "-1"}, {}, None),
        ({}, {}, None),
    ],
)
def test_tells_when_to_come_again(
    headers: dict[str, str], details: dict[str, int], expected: timedelta | None
) -> None:
    body = json.dumps({"code": 429, "details": details}).encode()
    error = errors.from_response(429, headers, body)
    assert isinstance(error, errors.TooManyRequests)
    assert error.retry_after == expected


def test_causes_tell_a_terminating_namespace_from_missing_rights() -> None:
    details = {"causes": [{"reason": "NamespaceTerminating", "field": "x"}]}
    body = json.dumps({"reason": "Forbidden", "details": details}).encode()
    error = errors.from_response(403, {}, body)
    assert isinstance(error, errors.Forbidden)
    assert error.has_cause("NamespaceTerminating")
    assert not error.has_cause("QuotaExceeded")
