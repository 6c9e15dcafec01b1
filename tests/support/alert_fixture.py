"""The fixture `alert_tools`: Prometheus, Alertmanager and their tools, built once.

Folders of tests get it by importing it into their conftest.py.
"""

import sys

import pytest

from heartbeats.cluster.progress import Progress
from support.alert_tools import AlertTools, build_alert_tools


@pytest.fixture(scope="session")
def alert_tools(pytestconfig: pytest.Config) -> AlertTools:
    """Build the programs, or find them in the cache."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    # The first build takes minutes: a person must see that.
    with capture.global_and_fixture_disabled():
        return build_alert_tools(Progress(sys.stderr))
