"""docs/cli.md tells of the commands that there are, as they are."""

import re
from pathlib import Path

import click
import pytest

from heartbeats.cli import main
from heartbeats.cli.kubectl import OFFERED, plugin
from heartbeats.cli.wait import GOALS, TOO_LATE
from heartbeats.console import listing, preview, timeline
from heartbeats.console.rehearsal import Action
from heartbeats.console.waiting import Goal

DOC = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
SHELL = re.compile(r"^    (?:\$ )?((?:kubectl )?heartbeats [a-z].*)$", re.MULTILINE)


def section(title: str) -> str:
    _, found, rest = DOC.partition(f"\n## {title}\n")
    assert found, title
    return rest.partition("\n## ")[0]


def test_every_command_of_the_plugin_is_told_of() -> None:
    table = DOC.partition("\n\n| command")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)`", table)) == set(OFFERED)


def test_every_example_is_understood() -> None:
    examples = SHELL.findall(DOC)
    assert len(examples) >= 6
    for line in examples:
        words = line.removeprefix("kubectl ").removeprefix("heartbeats ").split()
        command = main.get_command(click.Context(main), words[0])
        assert command is not None, line
        command.make_context(words[0], words[1:])


@pytest.mark.parametrize(
    ("title", "header"),
    [
        ("list", ("NAMESPACE", *listing.HEADER)),
        ("preview", preview.HEADER),
        ("describe", ("OUTCOME", "WHEN", "AGE", "DUE", "TOOK", "EXIT", "REMARK")),
    ],
)
def test_tables_have_the_columns_that_are_shown(
    title: str, header: tuple[str, ...]
) -> None:
    lines = [re.split(r"  +", line.strip()) for line in section(title).splitlines()]
    assert list(header) in lines


def test_signs_goals_actions_and_exit_codes_are_those_of_the_code() -> None:
    assert timeline.legend() in section("describe")
    waiting = section("wait")
    assert tuple(Goal) == GOALS
    assert set(GOALS) <= set(re.findall(r"`([a-z-]+)`", waiting))
    assert f"| {TOO_LATE} |" in waiting
    words = set(re.findall(r"`([a-z]+)`", section("preview")))
    assert {action.value for action in Action if action} <= words


def test_the_plugin_speaks_as_it_is_called() -> None:
    context = click.Context(plugin, info_name="kubectl heartbeats")
    for name in OFFERED:
        command = plugin.get_command(context, name)
        assert command is not None
        text = command.help or ""
        assert f"kubectl heartbeats {name} " in text, name
        assert not re.search(rf"(?<!kubectl )\bheartbeats {name}\b", text), name
        own = main.get_command(context, name)
        assert own is not None
        assert "kubectl heartbeats" not in (own.help or ""), name
