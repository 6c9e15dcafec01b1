"""docs/states.md and the state machine say the same, in both directions.

The machine is asked, not read: `support.states` walks through it. A row that fails
here is shown as it has to be written.
"""

import re
from pathlib import Path

import pytest

from heartbeats.core.model import Health, Reason
from heartbeats.core.status import _HEALTHY
from support.states import DUE, Edge, walk

DOC = Path(__file__).parents[2] / "docs" / "states.md"
NO_MONITOR = "none"
TOLD_OTHERWISE = {
    Reason.ACCEPTED: "`Ready` only",
    Reason.RECOVERED: "Events only",
    Reason.RETRACTED: "Events only",
    Reason.TOKEN_CONFLICT: "`Ready` only",
    Reason.KEY_LOST: "`Ready` only",
}


@pytest.fixture(scope="module", name="edges")
def the_edges() -> list[Edge]:
    return walk()


def section(title: str) -> list[str]:
    """Return the lines between a heading and the next."""
    _, found, rest = DOC.read_text().partition(f"\n## {title}\n")
    assert found, f'docs/states.md has no section "{title}"'
    return rest.partition("\n## ")[0].splitlines()


def table(title: str) -> list[str]:
    """Return the rows of the only table of a section, without its head."""
    rows = [line for line in section(title) if line.startswith("|")]
    assert len(rows) == len(set(rows)), f'"{title}" says something twice'
    return rows[2:]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def assert_equal(title: str, written: list[str], observed: set[str]) -> None:
    surplus, lacking = set(written) - observed, observed - set(written)
    assert (surplus, lacking) == (set(), set()), "\n".join(
        [
            f'docs/states.md, "{title}", and the code disagree. Not so (any more):',
            *sorted(surplus),
            "Not written, if it is meant to be so:",
            *sorted(lacking),
        ]
    )


def quoted(reasons: set[Reason]) -> str:
    return ", ".join(f"`{reason}`" for reason in Reason if reason in reasons)


def listed(words: set[Health | None]) -> str:
    order = [None, *Health]
    return ", ".join(word or NO_MONITOR for word in order if word in words)


def lines_of(edge: Edge) -> str:
    return " and ".join(f"`{line}`" for line in edge.lines) or "no"


def told(edge: Edge) -> str:
    if edge.event is None:
        return "no"
    return "yes" if edge.event is reason_after(edge) else f"`{edge.event}`"


def word_after(edge: Edge) -> Health:
    """Return the word that is told of: Late is Up, and comes by time alone."""
    is_late = edge.after.health is Health.LATE and edge.fact != DUE
    return Health.UP if is_late else edge.after.health


def reason_after(edge: Edge) -> Reason:
    changed = word_after(edge) is not edge.after.health
    return Reason.ON_SCHEDULE if changed else edge.after.reason


def moves(edges: list[Edge]) -> set[str]:
    """Write what changes the word, with all words from which it does in one row."""
    rows: dict[tuple[str, ...], tuple[set[Health | None], set[Reason]]] = {}
    for edge in edges:
        if not edge.stays:
            key = (edge.fact, word_after(edge), told(edge), lines_of(edge))
            words, reasons = rows.setdefault(key, (set(), set()))
            words.add(edge.before.health if edge.before else None)
            reasons.add(reason_after(edge))
    return {
        f"| {listed(words)} | {fact} | {after} | {quoted(reasons)} | {event} | {line} |"
        for (fact, after, event, line), (words, reasons) in rows.items()
    }


def stays(edges: list[Edge]) -> set[str]:
    """Write what leaves the word as it is."""
    rows: dict[tuple[str, str], set[Health | None]] = {}
    for edge in edges:
        if edge.stays:
            words = rows.setdefault((edge.fact, lines_of(edge)), set())
            words.add(edge.after.health)
    return {
        f"| {fact} | {listed(words)} | {line} |" for (fact, line), words in rows.items()
    }


def arrows(edges: list[Edge]) -> set[str]:
    """Write what changes the word as arrows, with the reasons that are told."""
    found: dict[tuple[str, str], set[Reason]] = {}
    for edge in edges:
        if not edge.stays:
            before = edge.before.health if edge.before else "[*]"
            reasons = found.setdefault((before, word_after(edge)), set())
            reasons.add(edge.event or reason_after(edge))
    return {
        f"{before} --> {after}: {quoted(reasons).replace('`', '')}"
        for (before, after), reasons in found.items()
    }


def test_the_table_of_transitions_is_what_the_machine_does(edges: list[Edge]) -> None:
    title = "What changes the word"
    assert_equal(title, table(title), moves(edges))


def test_the_rest_leaves_the_word_as_it_is(edges: list[Edge]) -> None:
    title = "What leaves the word as it is"
    assert_equal(title, table(title), stays(edges))


def test_the_diagram_shows_every_transition(edges: list[Edge]) -> None:
    title = "The diagram"
    drawn = [line.strip() for line in section(title) if "-->" in line]
    assert_equal(title, drawn, arrows(edges))


def test_every_word_stands_with_its_condition() -> None:
    written = {cells(row)[0]: cells(row)[1] for row in table("The six words")}
    assert written == {f"**{word}**": _HEALTHY.get(word, "Unknown") for word in Health}


def test_every_reason_is_explained_with_the_words_it_is_said_with(
    edges: list[Edge],
) -> None:
    said: dict[str, set[Health | None]] = {}
    for edge in edges:
        said.setdefault(f"`{edge.after.reason}`", set()).add(edge.after.health)
    expected = {reason: listed(words) for reason, words in said.items()}
    expected |= {f"`{reason}`": where for reason, where in TOLD_OTHERWISE.items()}
    rows = [cells(row) for row in table("Every reason")]
    assert {reason: words for reason, words, _ in rows} == expected
    assert set(expected) == {f"`{reason}`" for reason in Reason}
    for reason, _, meaning in rows:
        assert meaning.endswith("."), f"{reason} needs a sentence"


def test_every_word_and_reason_in_the_prose_exists() -> None:
    prose = "\n".join(
        line for line in DOC.read_text().splitlines() if not line.startswith("|")
    )
    names = set(re.findall(r"`([A-Z][A-Za-z]+)`", prose))
    assert names <= {*Reason, *Health, "Warning", "Normal", "Healthy", "Ready"}


def test_an_event_is_told_of_a_change_of_the_word_and_of_nothing_else(
    edges: list[Edge],
) -> None:
    for edge in edges:
        assert edge.event is None or not edge.stays, edge
        if edge.after.health in {Health.DOWN, Health.UNKNOWN} and edge.before:
            assert edge.stays or edge.event is not None, edge


def test_what_was_not_heard_never_makes_a_monitor_down(edges: list[Edge]) -> None:
    unheard = ("not be heard", "nobody watched", "be the echo", "schedule lacks")
    for edge in edges:
        if any(words in edge.fact for words in unheard):
            assert edge.stays or edge.after.health is not Health.DOWN, edge


def test_a_run_that_fails_is_down_at_once_whatever_was_said_before(
    edges: list[Edge],
) -> None:
    """Only a failureThreshold, a pause, or having counted already excuses it."""
    for edge in edges:
        if edge.fact == "a run fails":
            assert edge.after.health in {Health.DOWN, Health.PAUSED}, edge
