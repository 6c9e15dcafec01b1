"""What the metrics of a process are made of, beside the client's own kinds."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

PREFIX: Final = "heartbeat_operator_"


class Fact:
    """A gauge without labels that is absent until its value is known."""

    def __init__(self, name: str, meaning: str, registry: CollectorRegistry) -> None:
        self._name = PREFIX + name
        self._meaning = meaning
        self.value: float | None = None
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the family, empty while nothing is known."""
        family = GaugeMetricFamily(self._name, self._meaning)
        if self.value is not None:
            family.add_metric([], self.value)
        yield family


class WithoutCreated:
    """A registry without the `_created` series that the client adds to counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Yield each family with the samples that are meant."""
        for family in self._registry.collect():
            unwanted = f"{family.name}_created"
            family.samples = [each for each in family.samples if each.name != unwanted]
            yield family
