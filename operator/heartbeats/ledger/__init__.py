"""What is known now: one entry a monitor, one writer, no I/O.

Facts come in from the left (monitors, CronJobs, check-ins, passed deadlines), the
core's transitions make a new state of them, and whoever has to act is told that
an entry changed. Nobody else changes a state. This package may not read a clock,
wait, or know how a fact arrived.
"""

from heartbeats.ledger.entries import Entry, Listener, Runs, Sighting
from heartbeats.ledger.ledger import Ledger

__all__ = ["Entry", "Ledger", "Listener", "Runs", "Sighting"]
