"""The CronJobs and Namespaces around the monitors, and who watches which."""

from collections.abc import Iterator, Mapping

from heartbeats.core.model import CronJobFacts, MonitorKey, Spec, Uid


class Sources:
    """Finds the CronJob of a monitor and the monitors of a CronJob."""

    def __init__(self) -> None:
        self._cron_jobs: dict[MonitorKey, CronJobFacts] = {}
        self._names: dict[Uid, MonitorKey] = {}
        self._watchers: dict[MonitorKey, set[Uid]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def __iter__(self) -> Iterator[CronJobFacts]:
        """Iterate over the CronJobs that exist."""
        return iter(tuple(self._cron_jobs.values()))

    def inside(self, namespace: str) -> list[CronJobFacts]:
        """Return the CronJobs of a namespace."""
        return [facts for facts in self if facts.namespace == namespace]

    def get(self, key: MonitorKey) -> CronJobFacts | None:
        """Return the CronJob of a name."""
        return self._cron_jobs.get(key)

    def cron_job_of(self, namespace: str, spec: Spec) -> CronJobFacts | None:
        """Return the CronJob a monitor names, if it exists."""
        key = _key(namespace, spec)
        return None if key is None else self._cron_jobs.get(key)

    def add(self, facts: CronJobFacts) -> bool:
        """Take over a CronJob; False: nothing about it is new."""
        key = MonitorKey(facts.namespace, facts.name)
        known = self._cron_jobs.get(key)
        if known == facts:
            return False
        if known is not None:
            self._names.pop(known.uid, None)
        self._cron_jobs[key] = facts
        self._names[facts.uid] = key
        return True

    def remove(self, facts: CronJobFacts) -> bool:
        """Forget a CronJob, unless another one carries its name already."""
        key = self._names.pop(facts.uid, None)
        if key is None:
            return False
        del self._cron_jobs[key]
        return True

    def annotations(self, namespace: str) -> Mapping[str, str]:
        """Return a Namespace's annotations; none for one that is not known."""
        return self._namespaces.get(namespace, {})

    def set_annotations(self, namespace: str, wanted: Mapping[str, str]) -> bool:
        """Take over a Namespace's annotations; False: nothing is new."""
        if self.annotations(namespace) == wanted:
            return False
        self._namespaces[namespace] = dict(wanted)
        return True

    def watch(self, uid: Uid, namespace: str, spec: Spec) -> None:
        """Note that a monitor watches the CronJob its spec names."""
        key = _key(namespace, spec)
        if key is not None:
            self._watchers.setdefault(key, set()).add(uid)

    def unwatch(self, uid: Uid, namespace: str, spec: Spec) -> None:
        """Note that a monitor no longer watches that CronJob."""
        key = _key(namespace, spec)
        if key is None or key not in self._watchers:
            return
        self._watchers[key].discard(uid)
        if not self._watchers[key]:
            del self._watchers[key]

    def watchers(self, namespace: str, cron_job: str) -> tuple[Uid, ...]:
        """Return the monitors that watch a CronJob, in a stable order."""
        return tuple(sorted(self._watchers.get(MonitorKey(namespace, cron_job), ())))

    def watchers_of(self, cron_job: Uid) -> tuple[Uid, ...]:
        """Return the monitors that watch the CronJob with a uid."""
        key = self._names.get(cron_job)
        return () if key is None else self.watchers(key.namespace, key.name)


def _key(namespace: str, spec: Spec) -> MonitorKey | None:
    name = spec.cron_job_name
    return None if name is None else MonitorKey(namespace, name)
