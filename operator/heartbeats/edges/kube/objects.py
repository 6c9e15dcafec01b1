"""The fields of other people's objects, and of ours, that we read: no others.

Every field that is not named here costs neither time nor memory. Unknown fields are
ignored, absent ones take the default, a wrong type is an error (see `decode`).
Instants are aware UTC datetimes. `gc=False` is right because no object can hold
itself, and spares the collector tens of thousands of visits.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A Kubernetes time, RFC 3339. One without a zone is refused, never guessed."""


@lru_cache(maxsize=1024)
def parse_time(text: str) -> datetime:
    """Return the instant of an RFC 3339 text (an annotation) in UTC; ValueError.

    A Job's slot is asked for again and again while its CronJob is looked at.
    """
    try:
        return msgspec.convert(text, Time).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(f"{text!r} is no RFC 3339 time with a zone") from error


class Record(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """The base of all: immutable, camelCase outside, snake_case inside."""


class OwnerReference(Record, frozen=True, kw_only=True):
    """Who an object belongs to; only the controller's entry counts."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ObjectMeta(Record, frozen=True, kw_only=True):
    """What every object carries."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []

    def controller(self, kind: str) -> OwnerReference | None:
        """Return the owner that controls this object, if it is of that kind."""
        for owner in self.owner_references:
            if owner.controller and owner.kind == kind:
                return owner
        return None


class KubeObject(Record, frozen=True, kw_only=True):
    """Anything with metadata."""

    metadata: ObjectMeta


class Identity(Record, frozen=True, kw_only=True):
    """Which object it is, and as which version: ten thousand of them are small."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""


class Identified(Record, frozen=True, kw_only=True):
    """An object of a list that is read for who is in it."""

    metadata: Identity


class JobTemplateJobSpec(Record, frozen=True, kw_only=True):
    """`.spec.jobTemplate.spec` of a CronJob."""

    active_deadline_seconds: int | None = None


class JobTemplate(Record, frozen=True, kw_only=True):
    """`.spec.jobTemplate` of a CronJob."""

    spec: JobTemplateJobSpec = JobTemplateJobSpec()


class CronJobSpec(Record, frozen=True, kw_only=True):
    """`.spec` of a CronJob."""

    schedule: str
    time_zone: str | None = None
    suspend: bool = False
    concurrency_policy: str = "Allow"
    starting_deadline_seconds: int | None = None
    job_template: JobTemplate = JobTemplate()


class ObjectReference(Record, frozen=True, kw_only=True):
    """A pointer to an object."""

    name: str = ""
    uid: str = ""


class CronJobStatus(Record, frozen=True, kw_only=True):
    """`.status` of a CronJob."""

    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None
    active: list[ObjectReference] = []


class CronJob(KubeObject, frozen=True, kw_only=True):
    """A batch/v1 CronJob."""

    spec: CronJobSpec
    status: CronJobStatus = CronJobStatus()


class Condition(Record, frozen=True, kw_only=True):
    """An entry of `.status.conditions`."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: Time | None = None


class JobSpec(Record, frozen=True, kw_only=True):
    """`.spec` of a Job."""

    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    suspend: bool = False


class JobStatus(Record, frozen=True, kw_only=True):
    """`.status` of a Job; the counts are of pods."""

    start_time: Time | None = None
    completion_time: Time | None = None
    ready: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    conditions: list[Condition] = []


class Job(KubeObject, frozen=True, kw_only=True):
    """A batch/v1 Job."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class ConfigMap(KubeObject, frozen=True, kw_only=True):
    """A ConfigMap with text."""

    data: dict[str, str] = {}
    immutable: bool = False


class NamespaceStatus(Record, frozen=True, kw_only=True):
    """`.status` of a Namespace: Active or Terminating."""

    phase: str = ""


class Namespace(KubeObject, frozen=True, kw_only=True):
    """A Namespace; its annotations are in its metadata."""

    status: NamespaceStatus = NamespaceStatus()


class Waiting(Record, frozen=True, kw_only=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(Record, frozen=True, kw_only=True):
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    finished_at: Time | None = None


class ContainerState(Record, frozen=True, kw_only=True):
    """At most one of these is set."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Record, frozen=True, kw_only=True):
    """An entry of `.status.containerStatuses`."""

    name: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(Record, frozen=True, kw_only=True):
    """`.status` of a Pod."""

    phase: str = ""
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []
    conditions: list[Condition] = []


class Pod(KubeObject, frozen=True, kw_only=True):
    """A Pod, as far as it says why a Job failed or hangs."""

    status: PodStatus = PodStatus()


class CronJobSource(Record, frozen=True, kw_only=True):
    """`.spec.cronJob` of a HeartbeatMonitor."""

    name: str


class PingSource(Record, frozen=True, kw_only=True):
    """`.spec.ping` of a HeartbeatMonitor."""

    token_version: int = 1
    min_token_version: int | None = None
    token_hashes: list[str] = []


class MonitorSpec(Record, frozen=True, kw_only=True):
    """`.spec` of a HeartbeatMonitor, as far as the ping role needs it."""

    cron_job: CronJobSource | None = None
    ping: PingSource | None = None
    interval: str | None = None
    recovery_threshold: int = 1
    suspend: bool = False


class Incident(Record, frozen=True, kw_only=True):
    """`.status.incident` of a HeartbeatMonitor."""

    reason: str = ""


class PingStatus(Record, frozen=True, kw_only=True):
    """`.status.ping` of a HeartbeatMonitor."""

    key_id: str = msgspec.field(default="", name="keyID")


class MonitorStatus(Record, frozen=True, kw_only=True):
    """`.status` of a HeartbeatMonitor, as far as two dialects answer it."""

    state: str = ""
    next_expected_time: Time | None = None
    incident: Incident | None = None
    ping: PingStatus | None = None


class Monitor(KubeObject, frozen=True, kw_only=True):
    """A HeartbeatMonitor as the ping role sees it."""

    spec: MonitorSpec
    status: MonitorStatus = MonitorStatus()
