"""The metrics of a process as Prometheus reads them."""

from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from support.processes import Process

METRICS = r"The metrics listener is at (\S+)"


def scrape(process: Process) -> str:
    """Return all metrics of a process."""
    return scrape_at(process.wait_for(METRICS))


def scrape_at(listener: str) -> str:
    """Return all metrics that a listener serves."""
    with urlopen(f"{listener}/metrics", timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())


def sample(text: str, metric: str, **labels: str) -> float | None:
    """Return the value of the first series with these labels; None: there is none."""
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            if found.name == metric and labels.items() <= found.labels.items():
                return float(found.value)
    return None


def total(process: Process, metric: str, **labels: str) -> float:
    """Return the sum of the operator's series of a name that have these labels."""
    families = text_string_to_metric_families(scrape(process))
    return sum(
        float(found.value)
        for family in families
        for found in family.samples
        if found.name == f"heartbeat_operator_{metric}"
        and labels.items() <= found.labels.items()
    )
