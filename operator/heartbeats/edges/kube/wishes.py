"""Which CronJobs are to have a monitor of ours, and why: decided here, done elsewhere.

What is wished follows from the CronJob, its Namespace, the flags and the monitors that
exist. It may not ask anybody, nor create or delete anything: `autodiscovery` does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from heartbeats.core.model import CronJobFacts
from heartbeats.core.policy import MONITOR_ANNOTATION
from heartbeats.ledger import Entry, Ledger

MANAGED_BY: Final = "app.kubernetes.io/managed-by"


class AutoMonitor(StrEnum):
    """Which CronJobs get a monitor by themselves."""

    ALL = "all"
    ANNOTATED = "annotated"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether a CronJob is to have a monitor of ours, and why."""

    monitored: bool
    reason: str


def is_ours(entry: Entry, cron_job: CronJobFacts) -> bool:
    """Tell whether a monitor was made here, for this very CronJob."""
    labels = dict(entry.labels)
    return entry.owner_uid == cron_job.uid and labels.get(MANAGED_BY) == "heartbeats"


def wish_for(
    cron_job: CronJobFacts,
    mode: AutoMonitor,
    namespace_says: str | None,
    monitors: list[Entry],
) -> Wish:
    """Decide about one CronJob."""
    if any(not is_ours(entry, cron_job) for entry in monitors):
        return Wish(False, "MonitoredByUser")
    if mode is AutoMonitor.OFF:
        return Wish(False, "AutoMonitorOff")
    said = dict(cron_job.annotations).get(MONITOR_ANNOTATION, namespace_says)
    if said == "false":
        return Wish(False, "OptedOut")
    if said == "true":
        return Wish(True, "OptedIn")
    if mode is AutoMonitor.ANNOTATED:
        return Wish(False, "NotAnnotated")
    return Wish(True, "Default")


def is_monitored(wish: Wish) -> bool:
    """Tell whether a CronJob is monitored, by us or by what a user wrote."""
    return wish.monitored or wish.reason == "MonitoredByUser"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say of all CronJobs."""

    mode: AutoMonitor
    excluded: frozenset[str] = frozenset()
    """Namespaces in which nothing is monitored by itself."""

    def about(self, facts: CronJobFacts, ledger: Ledger) -> Wish:
        """Decide about a CronJob with what a ledger knows around it."""
        if facts.namespace in self.excluded:
            return Wish(False, "NamespaceExcluded")
        said = ledger.sources.annotations(facts.namespace)
        return wish_for(
            facts,
            self.mode,
            said.get(MONITOR_ANNOTATION),
            ledger.monitors_of(facts.namespace, facts.name),
        )
