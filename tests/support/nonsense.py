"""A status that the schema allows and no operator would write."""

from support.resources import Object

NONSENSE: Object = {
    "state": "Down",
    "formatVersion": 2**31 - 1,
    "nextExpectedTime": "9999-12-31T23:59:59Z",
    "settledSlots": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    "lastSuccessTime": "0001-01-01T00:00:00Z",
    "lastDurationMilliseconds": 2**63 - 1,
    "longestSuccessMilliseconds": 8 * 10**16,
    "consecutiveFailures": 2**31 - 1,
    "activeRuns": [
        {"id": "early", "startTime": "0001-01-01T00:00:00Z"},
        {"id": "late", "startTime": "9999-12-31T23:59:59Z"},
    ],
    "incident": {
        "openedTime": "9999-12-31T23:59:59Z",
        "reason": "Whatever",
        "message": "nonsense",
    },
    "history": [{"outcome": "missed", "time": "9999-12-31T23:59:59Z"}],
    "source": {"armedSince": "9999-12-31T23:59:59Z", "schedule": "nonsense"},
    "applied": {"journalRevision": 0, "sinceTime": "9999-12-31T23:59:59Z"},
    "pendingFlips": [
        {
            "id": "not a name!",
            "time": "9999-12-31T23:59:59Z",
            "before": "Up",
            "after": "Down",
            "reason": "Whatever",
            "message": "nonsense",
        }
    ],
}
"""Everything here is allowed by the schema."""
