"""Which collections of the API are used, and where they live in its URL space.

Plain values: nothing here talks to anybody. The group and the version of our own
resource stand here and nowhere else.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

GROUP: Final = "heartbeats.dev"
"""The API group of HeartbeatMonitor, and the prefix of our labels and annotations."""

VERSION: Final = "v1alpha1"
"""The served and stored version of HeartbeatMonitor."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object, named as the API server names it; the core group is ""."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What objects carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Return the path of a collection (of all namespaces without one) or object."""
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} have no namespace; got {namespace!r}.")
        if name is not None and self.namespaced and namespace is None:
            raise ValueError(f"{self.plural} named {name!r}: pass its namespace too.")
        if subresource is not None and name is None:
            raise ValueError(f"{self.plural}/{subresource}: pass the object's name.")
        parts = ["apis" if self.group else "api", self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/" + "/".join(parts)


CRON_JOBS: Final = Resource("batch", "v1", "cronjobs")
JOBS: Final = Resource("batch", "v1", "jobs")
PODS: Final = Resource("", "v1", "pods")
NAMESPACES: Final = Resource("", "v1", "namespaces", namespaced=False)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps")
SECRETS: Final = Resource("", "v1", "secrets")
EVENTS: Final = Resource("events.k8s.io", "v1", "events")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases")
MONITORS: Final = Resource(GROUP, VERSION, "heartbeatmonitors")
ADMISSION_POLICIES: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    namespaced=False,
)
ADMISSION_POLICY_BINDINGS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    namespaced=False,
)


def resource_in(path: str) -> str:
    """Return what a path is about, for metrics: "jobs", "heartbeatmonitors/status"."""
    match path.strip("/").split("/"):
        case ["api", _, *rest] | ["apis", _, _, *rest]:
            pass
        case _:
            return "other"
    match rest:
        case ["namespaces", _, plural, _, subresource]:
            return f"{plural}/{subresource}"
        case ["namespaces", _, plural, *_] | [plural, *_]:
            return plural
        case _:
            return "other"
