"""Makes the PrometheusRule from the plain rules file, which is the one source.

`make manifests` writes it; a unit test compares. The text is kept as it is, comments
too, and only moved under `spec`.
"""

import argparse
from textwrap import indent
from typing import Final

from support.alert_rules import ROOT, RULES

TARGET: Final = (
    ROOT / "manifests" / "overlays" / "prometheus-operator" / "prometheusrule.yaml"
)
_HEAD: Final = """\
# Made by `make manifests` from manifests/alerts/heartbeats.rules.yaml: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: heartbeats
  namespace: heartbeats-system
  labels:
    app.kubernetes.io/name: heartbeats
spec:
"""
_LINK: Final = "runbook_url: docs/"


def prometheus_rule(runbooks: str = "") -> str:
    """Return the manifest; `runbooks` is put before each link to a runbook."""
    text = RULES.read_text()
    groups = text[text.index("\ngroups:\n") + 1 :]
    return _HEAD + indent(groups.replace(_LINK, f"runbook_url: {runbooks}docs/"), "  ")


def main() -> None:
    """Write the manifest."""
    reader = argparse.ArgumentParser(description=main.__doc__)
    reader.add_argument("--runbooks", default="", help="where the project's files are")
    TARGET.write_text(prometheus_rule(reader.parse_args().runbooks))


if __name__ == "__main__":
    main()
