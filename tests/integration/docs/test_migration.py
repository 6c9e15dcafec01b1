"""docs/migration.md, pasted: URLs of other systems go on working as it says."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from heartbeats.cluster.build import kubectl_path
from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.pasted import blocks, desk
from support.proofs import ROOT
from support.resources import MONITORS
from support.restarts import Apart
from support.workloads import has_said

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

PAGE = blocks((ROOT / "docs" / "migration.md").read_text())


def environment(own: Own, apart: Apart, namespace: str, folder: Path) -> dict[str, str]:
    """Return that of a shell with our kubectl, in a namespace of its own."""
    program = kubectl_path()
    assert program is not None, "the control plane was built before"
    config = folder / "kubeconfig"
    text = yaml.safe_load(own.admin.read_text())
    text["contexts"][0]["context"]["namespace"] = namespace
    config.write_text(yaml.safe_dump(text))
    beside = f"{program.parent}{os.pathsep}{Path(sys.executable).parent}"
    return {
        **os.environ,
        "KUBECONFIG": str(config),
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "PINGS": apart.url,
    }


def test_urls_of_other_systems_are_taken_over_as_the_page_says(
    own: Own, apart: Apart, tmp_path: Path
) -> None:
    kube: Kube = own.kube
    with fresh_namespace(kube) as namespace:
        around = environment(own, apart, namespace, tmp_path)
        with desk(tmp_path, tmp_path, around) as reader:
            reader.follow(PAGE)
        for name in ("offsite-backup", "invoices-sync", "nightly-report"):
            wait_until(kube, MONITORS, namespace, name, has_said("Up"))
