"""Whose state it is and by which rules it is judged."""

from dataclasses import dataclass

from heartbeats.core.model import CronJobFacts, Judged, Policy, Trouble, Uid
from heartbeats.core.schedule import Timetable, timetable


@dataclass(frozen=True, slots=True)
class Subject:
    """A monitor's uid, policy and timetable."""

    uid: Uid
    policy: Policy
    table: Timetable
    cron_job_uid: Uid | None = None
    generation: int = 0

    @classmethod
    def of(
        cls,
        uid: Uid,
        policy: Policy,
        trouble: Trouble | None,
        cron_job: CronJobFacts | None = None,
    ) -> "Subject":
        """Combine a uid with its rules; a broken timetable has no slots."""
        if trouble is not None and not policy.orphaned:
            return cls(uid, policy, Timetable(None, None))
        if cron_job is None:
            return cls(uid, policy, timetable(policy))
        anchor_at = cron_job.last_schedule_at or cron_job.created_at
        table = timetable(policy, anchor_at=anchor_at)
        return cls(uid, policy, table, cron_job.uid, cron_job.generation)

    @property
    def judged(self) -> Judged:
        """The timetable as the status remembers it."""
        policy = self.policy
        return Judged(
            schedule=policy.schedule,
            time_zone=policy.time_zone,
            interval=policy.interval,
            cron_job_uid=self.cron_job_uid,
            generation=self.generation,
            skips_while_running=policy.skips_while_running,
        )
