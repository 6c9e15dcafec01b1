"""Compares our schedules with the library's, and makes small what differs.

A difference prints as a line that can go into a unit test.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from heartbeats.core.cron import CronError
from support.cron_oracle import Answer, Oracle, Question

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _SECOND


class Schedule(Protocol):
    """What a parsed schedule can be asked."""

    def next_after(self, at: datetime) -> datetime | None:
        """Find the first firing later than an instant."""
        ...


Parse = Callable[[str, str], Schedule]
"""From an expression and a zone to a schedule; CronError when there is none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A question to which we and the library have different answers."""

    question: Question
    library: Answer
    ours: Answer

    def __str__(self) -> str:
        """Write it as a parameter of a unit test, and ours beside it."""
        asked = self.question
        at = _EPOCH + timedelta(microseconds=_microseconds(asked))
        written = (asked.expression, asked.zone, at.isoformat(), _said(self.library))
        return f"{written!r},  # ours: {_said(self.ours)}"


@dataclass(slots=True)
class Report:
    """What was compared so far, and what differed."""

    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    zones: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)

    def count(self, question: Question, library: Answer) -> None:
        """Count one case under all that is special about it."""
        self.cases += 1
        if library.instants is None:
            self.counts["refused"] += 1
            return
        self.zones.add(question.zone)
        self.counts["firings"] += sum(at is not None for at in library.instants)
        self.counts["ended"] += None in library.instants
        self.counts["left out"] += library.left_out
        self.counts["turned back"] += library.turned_back


def compare(
    oracle: Oracle, questions: Sequence[Question], parse: Parse, report: Report
) -> None:
    """Put questions to both sides and report what differs, made small."""
    for difference in _differences(oracle, questions, parse, report):
        report.differences.append(smallest(oracle, difference, parse))


def smallest(oracle: Oracle, difference: Difference, parse: Parse) -> Difference:
    """Take away from a question what can go without the difference going too."""
    while True:
        simpler = list(_simpler(difference.question))
        smaller = next(_differences(oracle, simpler, parse), None)
        if smaller is None:
            return difference
        difference = smaller


def ours(question: Question, parse: Parse) -> Answer:
    """Answer a question as the library's program does."""
    try:
        schedule = parse(question.expression, question.zone)
    except CronError as error:
        return Answer(error=str(error))
    instant = _EPOCH + timedelta(microseconds=_microseconds(question))
    found: list[int | None] = []
    while len(found) < question.count:
        following = schedule.next_after(instant)
        if following is None:
            found.append(None)
            break
        instant = following
        found.append((instant - _EPOCH) // _SECOND)
    return Answer(instants=tuple(found))


def _differences(
    oracle: Oracle,
    questions: Sequence[Question],
    parse: Parse,
    report: Report | None = None,
) -> Iterator[Difference]:
    for question, answer in zip(questions, oracle.ask(questions), strict=True):
        library = _within_our_calendar(answer)
        if report is not None:
            report.count(question, library)
        mine = ours(question, parse)
        # Both refuse, or both fire alike; the sentences are each side's own.
        if library.instants != mine.instants:
            yield Difference(question, library, mine)


def _within_our_calendar(answer: Answer) -> Answer:
    """End the library's firings where Python's calendar ends: with the year 9999."""
    instants = answer.instants
    if instants is None:
        return answer
    for number, at in enumerate(instants):
        if at is not None and at > _LAST:
            return msgspec.structs.replace(answer, instants=(*instants[:number], None))
    return answer


def _simpler(question: Question) -> Iterator[Question]:
    """Make questions that are a little smaller, the boldest first."""
    change = msgspec.structs.replace
    if question.count > 1:
        yield change(question, count=1)
        yield change(question, count=question.count - 1)
    if question.nanoseconds:
        yield change(question, nanoseconds=0)
    if question.local:
        yield change(question, local=False)
    if question.zone != "UTC":
        yield change(question, zone="UTC")
    fields = question.expression.split(" ")
    for number, text in enumerate(fields):
        for shorter in _shorter(text):
            expression = " ".join([*fields[:number], shorter, *fields[number + 1 :]])
            yield change(question, expression=expression)
    for unit in (86_400, 3_600, 60):
        if question.start % unit:
            yield change(question, start=question.start - question.start % unit)


def _shorter(text: str) -> Iterator[str]:
    if text != "*" and len(text) > 0 and "@" not in text:
        yield "*"
    items = text.split(",")
    if len(items) > 1:
        for number in range(len(items)):
            yield ",".join(items[:number] + items[number + 1 :])
    for sign in "/-":
        if sign in text:
            yield text.rpartition(sign)[0]


def _microseconds(question: Question) -> int:
    return question.start * 1_000_000 + question.nanoseconds // 1000


def _said(answer: Answer) -> str | list[str | None]:
    if answer.instants is None:
        return f"refused: {answer.error}"
    return [
        at if at is None else (_EPOCH + at * _SECOND).isoformat().removesuffix("+00:00")
        for at in answer.instants
    ]
