"""What a process tells of the keys that sign ping URLs; never anything of a key."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from heartbeats.edges.metrics.parts import PREFIX, Fact


class KeyMetrics:
    """Whether the key is there, and which URLs depend on which key."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lost = Fact(
            "ping_key_lost",
            "1 while the Secret with the ping keys is missing or unusable.",
            registry,
        )
        self._urls = Gauge(
            PREFIX + "ping_urls",
            "Ping monitors by the key that signed their URL.",
            ["key"],
            registry=registry,
        )
        self._refused = Counter(
            PREFIX + "ping_urls_refused_total",
            "Ping URLs in use whose key was taken out of the Secret.",
            registry=registry,
        )

    def lost(self, is_lost: bool) -> None:
        """Note whether the key Secret is missing or unusable."""
        self._lost.value = float(is_lost)

    def forget(self) -> None:
        """Tell no more of what another replica finds out now."""
        self._lost.value = None
        self._urls.clear()

    def urls(self, counts: Mapping[str, int]) -> None:
        """Note how many monitors' URLs each key signed; all of them at once."""
        self._urls.clear()
        for key, count in counts.items():
            self._urls.labels(key).set(count)

    def refused(self, count: int) -> None:
        """Count URLs that are refused since their key was taken away."""
        self._refused.inc(count)
