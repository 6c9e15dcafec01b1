"""The operator's process: its command line, its environment, what its log tells."""

from pathlib import Path

import pytest

from heartbeats.demo.process import Addresses, Files, addresses, command, environment

LOG = """\
2026-11-21T14:51:00.000Z INFO    Pings are answered on http://127.0.0.1:41001
2026-11-21T14:51:00.001Z INFO    The health listener is at http://127.0.0.1:41002
2026-11-21T14:51:00.002Z INFO    The metrics listener is at http://127.0.0.1:41003
2026-11-21T14:51:00.003Z INFO    The page listener is at http://127.0.0.1:41004
"""


def test_the_log_tells_all_addresses() -> None:
    assert addresses(LOG) == Addresses(
        ping="http://127.0.0.1:41001",
        health="http://127.0.0.1:41002",
        metrics="http://127.0.0.1:41003",
        page="http://127.0.0.1:41004",
    )


@pytest.mark.parametrize("lines", range(4))
def test_while_one_is_missing_there_are_none(lines: int) -> None:
    assert addresses("\n".join(LOG.splitlines()[:lines])) is None


def test_the_command_listens_on_free_ports_of_this_machine() -> None:
    words = command(Files(Path("/state/demo")), "--auto-monitor=all")
    listeners = [word for word in words if "-address=" in word]
    assert len(listeners) == 4
    assert all(word.endswith("=127.0.0.1:0") for word in listeners)


def test_the_command_line_names_the_folder_so_that_a_leftover_is_known() -> None:
    assert any("/state/demo/" in word for word in command(Files(Path("/state/demo"))))


def test_options_of_the_callers_environment_do_not_reach_the_operator() -> None:
    given = {"HEARTBEATS_NAMESPACE": "shop", "HOME": "/home/me"}
    assert environment(given) == {"HOME": "/home/me"}
