"""What is left of a CronJob's runs: Jobs that exist, and what their lack may mean.

A Job is deleted by its controller when a history limit is reached or when its time to
live is over, and by anybody at any time. Nothing here says how a run went: Jobs report
themselves.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from heartbeats.core.model import CronJobFacts


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a CronJob's runs after a time of blindness."""

    cron_job: CronJobFacts
    jobs: Collection[str] = field(default_factory=frozenset)
    """Uids of the Jobs that exist; they report themselves."""
    slots: Collection[datetime] = field(default_factory=frozenset)
    """The slots of these Jobs."""
    pending: Collection[datetime] = field(default_factory=frozenset)
    """Slots whose Job exists and has not started."""
