"""What README and docs tell somebody to do can be done: it exists and is understood."""

import re
from itertools import pairwise
from pathlib import Path

import click
import pytest

from heartbeats.cli import main
from support.alert_rules import exported
from support.proofs import ROOT, tables
from support.written import Command, anchors, commands, fences, links, pages

COMMANDS = commands()
TARGETS = set(
    re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
)
README = (ROOT / "README.md").read_text()
FAMILY = re.compile(r"_(?:bucket|sum|count)$")
FILLED_IN = {"$?": "0"}
SUBCOMMAND = re.compile(r"`(?:kubectl )?heartbeats ([a-z]+)((?: --[a-z-]+)*)[^`]*`")


def of(program: str) -> list[Command]:
    return [each for each in COMMANDS if each.words[0] == program]


def ours() -> list[tuple[str, ...]]:
    """Return what is said to heartbeats, also as a plugin of kubectl."""
    direct = [each.words[1:] for each in of("heartbeats")]
    plugin = [each.words[2:] for each in of("kubectl") if each.words[1] == "heartbeats"]
    return sorted({*direct, *plugin})


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_every_target_of_make_exists(command: Command) -> None:
    named = [word for word in command.words[1:] if "=" not in word]
    assert set(named) <= TARGETS


@pytest.mark.parametrize("words", ours(), ids=" ".join)
def test_every_command_of_ours_is_understood(words: tuple[str, ...]) -> None:
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no {rest[0]}"
        command, rest = found, rest[1:]
    command.make_context(words[0], [FILLED_IN.get(each, each) for each in rest])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists_with_its_flags(page: Path) -> None:
    for name, flags in SUBCOMMAND.findall(page.read_text()):
        command = main.get_command(click.Context(main), name)
        assert command is not None, f"there is no `heartbeats {name}`"
        known = {"--help"} | {
            flag
            for each in command.params
            for flag in (*each.opts, *each.secondary_opts)
        }
        assert set(flags.split()) <= known, f"heartbeats {name}{flags}"


@pytest.mark.parametrize("command", of("kubectl"), ids=str)
def test_every_file_that_kubectl_is_given_exists(command: Command) -> None:
    words = command.words
    for option, value in pairwise(words):
        if option in {"-k", "-f"} and value != "-":
            folder = ROOT / value
            assert folder.exists(), value
            if option == "-k":
                assert (folder / "kustomization.yaml").is_file(), value


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_metric_that_is_named_is_exported(page: Path) -> None:
    known = exported()
    for name in re.findall(
        r"\bheartbeat_(?:monitor|operator)_\w+[a-z]", page.read_text()
    ):
        assert name in known or FAMILY.sub("", name) in known, name


def test_the_sizes_that_operations_tells_are_those_that_were_measured() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().partition("## How big")[2]
    [table, *_] = tables(section)
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    assert len(table) > 5
    for row in table[2:]:
        assert row[1] in measured, f"{row[0]}: {row[1]} is no longer in benchmarks.md"


def test_there_are_commands_of_every_kind_to_check() -> None:
    assert all(len(of(each)) > 5 for each in ("make", "heartbeats", "kubectl"))


def test_the_readme_begins_with_the_demo_and_the_tests() -> None:
    first, second = [each for each in of("make") if each.page == "README.md"][:2]
    assert (first.words, second.words) == (("make", "demo"), ("make", "test"))


def test_the_readme_leads_to_every_page() -> None:
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}
    there = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")}
    assert there <= linked


def test_the_readme_s_short_path_is_that_of_the_quickstart_which_a_test_runs() -> None:
    section = README.partition("\n## Five minutes")[2].partition("\n## ")[0]
    lines = re.findall(
        r"^ {4}((?:make|kubectl|export|until) .*?)(?: {2,}#.*)?$", section, re.MULTILINE
    )
    run = "".join(fences(ROOT / "docs" / "quickstart.md", "bash")).splitlines()
    places = [run.index(line) for line in lines]
    assert len(places) >= 10
    assert places == sorted(places)
