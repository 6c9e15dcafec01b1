"""A status with every field at its bound, and its parts, to build others from."""

from support.resources import Object

T = "2026-11-21T02:00:00Z"
STATES = ("New", "Up", "Late", "Down", "Paused", "Unknown")
LONGEST = 2**63 - 1


def condition(name: str) -> Object:
    return {
        "type": name,
        "status": "False",
        "observedGeneration": LONGEST,
        "lastTransitionTime": T,
        "reason": "R" * 1024,
        "message": "m" * 32768,
    }


def run(number: int) -> Object:
    return {
        "outcome": "missed",
        "time": T,
        "id": f"{number:0128}",
        "slotTime": T,
        "startTime": T,
        "durationMilliseconds": LONGEST,
        "exitCode": -1,
        "message": "m" * 120,
        "scheduled": False,
        "reason": "R" * 64,
        "inferred": True,
    }


def flip(number: int) -> Object:
    return {
        "id": f"{number:0128}",
        "time": T,
        "before": STATES[number % 6],
        "after": STATES[(number + 1) % 6],
        "reason": "R" * 64,
        "message": "m" * 1024,
        "slotTime": T,
    }


MAXIMAL: Object = {
    "conditions": [condition(f"Condition{n}") for n in range(8)],
    "observedGeneration": LONGEST,
    "formatVersion": 2**31 - 1,
    "state": "Unknown",
    "effective": {
        "schedule": "s" * 1024,
        "timeZone": "z" * 64,
        "interval": "i" * 32,
        "gracePeriod": "g" * 32,
        "maxRuntime": "r" * 32,
        "activeDeadline": "d" * 32,
        "failureThreshold": 100,
        "recoveryThreshold": 100,
        "firstCheckInWithin": "f" * 32,
        "historyLimit": 20,
        "severity": "s" * 63,
        "owner": "o" * 128,
        "description": "d" * 1024,
        "runbookURL": "u" * 2048,
        "origins": {f"field{n}": "o" * 128 for n in range(24)},
    },
    "source": {
        "schedule": "s" * 1024,
        "timeZone": "z" * 64,
        "interval": "i" * 32,
        "suspend": True,
        "uid": "u" * 64,
        "generation": LONGEST,
        "skipsWhileRunning": True,
        "armedSince": T,
    },
    "lastCheckIn": {
        "id": "i" * 128,
        "time": T,
        "kind": "vanished",
        "outcome": "failure",
        "slotTime": T,
        "startTime": T,
        "durationMilliseconds": LONGEST,
        "exitCode": 255,
        "source": "s" * 256,
        "message": "m" * 1024,
        "runID": "r" * 128,
        "scheduled": False,
        "inferred": True,
        "ambiguous": True,
    },
    "lastSuccessTime": T,
    "lastFailureTime": T,
    "lastStartTime": T,
    "nextExpectedTime": T,
    "deadline": T,
    "lastDurationMilliseconds": LONGEST,
    "lastExitCode": -1,
    "longestSuccessMilliseconds": LONGEST,
    "consecutiveFailures": 2**31 - 1,
    "consecutiveSuccesses": 2**31 - 1,
    "activeRuns": [
        {
            "id": f"{n:0128}",
            "startTime": T,
            "slotTime": T,
            "vanished": True,
            "unseen": True,
            "excused": True,
        }
        for n in range(10)
    ],
    "settledSlots": [f"2026-11-21T02:00:{n:02}Z" for n in range(32)],
    "countedSlots": [f"2026-11-21T02:00:{n:02}Z" for n in range(10)],
    "countedRuns": [f"{n:0128}" for n in range(10)],
    "incident": {
        "openedTime": T,
        "reason": "R" * 64,
        "slotTime": T,
        "message": "m" * 1024,
    },
    "history": [run(n) for n in range(20)],
    "applied": {
        "journalRevision": LONGEST,
        "sinceTime": T,
        "newestRunTime": T,
        "finishedTime": T,
        "jobUIDs": [f"{n:064}" for n in range(32)],
        "lastReport": {
            "kind": "failure",
            "runID": "r" * 128,
            "source": "s" * 256,
            "time": T,
        },
    },
    "pendingFlips": [flip(n) for n in range(16)],
    "ping": {"keyID": "k" * 64},
    "blindTime": T,
    "unseenSlotTime": T,
    "unseenUntilTime": T,
    "ambiguousTime": T,
    "mismatchTime": T,
}
"""A status with every field at its bound."""
