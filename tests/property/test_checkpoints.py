"""However segments are merged, deleted and read again, each ping counts once.

Ping services append, statuses are stored or are not, the operator merges and deletes
and is killed at any of its writes; a new one begins with a list in any order. The old
one may be slow to die and goes on merging and deleting by what it knows.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import event, given, settings
from hypothesis import strategies as st

from heartbeats.core.model import State, Uid
from heartbeats.edges.kube import checkpoints
from heartbeats.journal import Entry
from support.builders import SECOND
from support.journals import Desk, JournalApi, entry

NAMES = ("backup", "report", "archive")
Work = Callable[[], Awaitable[object]]
UIDS = tuple(Uid(f"hbm-{name}") for name in NAMES)


class KilledError(BaseException):
    """The operator ends here, as by SIGKILL."""


@contextmanager
def easily_merged() -> Iterator[None]:
    """Make a few small segments as good as hundreds."""
    with patch.multiple(checkpoints, FEW=2, _ROOM=900, SMALL_BYTES=400, MOST_WRITES=2):
        yield


class Story:
    """An API server, what was stored there, and operators that come and go."""

    def __init__(self) -> None:
        self.api = JournalApi()
        self.stored: dict[Uid, State] = {}
        self.accepted: dict[Uid, list[str]] = {uid: [] for uid in UIDS}
        self.left: int | None = None
        """So many steps of writes until the operator is killed."""
        self.api.step = self._step
        self.zombie: Desk | None = None
        self.desk = self._begun([0])

    def _step(self, _name: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    def _begun(self, order: list[int]) -> Desk:
        """Start an operator: it reads the monitors and the journal."""
        desk = Desk(self.api)
        if order[0] % 2:  # the journal may be read before the monitors, or after
            self._read_monitors(desk)
            desk.relist(self._shuffled(order))
        else:
            desk.relist(self._shuffled(order))
            self._read_monitors(desk)
        return desk

    def _read_monitors(self, desk: Desk) -> None:
        for name, uid in zip(NAMES, UIDS, strict=True):
            desk.monitor(name, self.stored.get(uid), history_limit=1000)

    def _shuffled(self, order: list[int]) -> list[int]:
        """Return the segments that there are, in an order of no meaning."""
        number = len(self.api.config_maps)
        return sorted(range(number), key=lambda n: (order[n % len(order)], n))

    async def append(self, numbers: list[int]) -> None:
        """Store some segments of one or two pings each."""
        for pair in (numbers[n : n + 2] for n in range(0, len(numbers), 2)):
            self.api.append(*map(self._ping, pair))

    def _ping(self, number: int) -> Entry:
        uid = UIDS[number % 3]
        run = f"{uid}-{len(self.accepted[uid])}"
        self.accepted[uid].append(run)
        return entry(number, NAMES[number % 3], run_id=run, source=run)

    async def watch(self, _: list[int]) -> None:
        self.desk.watch()

    async def store(self, numbers: list[int]) -> None:
        """Store some statuses as they are known now."""
        for number in numbers:
            known = self.desk.bench.ledger.get(UIDS[number % 3])
            assert known is not None
            self.stored[known.uid] = known.state
            self.desk.is_stored(known)

    async def merge(self, numbers: list[int]) -> None:
        if numbers[-1] % 3:
            self.desk.watch()
        self.api.turning.turn(checkpoints.AGE_SECONDS * SECOND)
        await self._killable(numbers, self.desk.reader.merge)

    async def sweep(self, numbers: list[int]) -> None:
        await self._killable(numbers, self.desk.reader.sweep)

    async def _killable(self, numbers: list[int], work: Work) -> None:
        """Do it; with some luck the operator is killed at one of the writes."""
        self.left = numbers[0] % 8 if numbers[0] % 3 == 0 else None
        try:
            await work()
        except* KilledError:
            event("killed")
            self.left = None
            await self.restart(numbers)
        self.left = None

    async def lose_the_stream(self, numbers: list[int]) -> None:
        """Miss what happens, and list."""
        self.desk.relist(self._shuffled(numbers))

    async def restart(self, numbers: list[int]) -> None:
        self.desk = self._begun(numbers)

    async def hand_over(self, numbers: list[int]) -> None:
        """Start another operator while the old one does not know that it is deposed."""
        self.zombie = self.desk
        await self.restart(numbers)

    async def haunt(self, numbers: list[int]) -> None:
        """Let the old one merge and delete; it may have heard of nothing since."""
        if self.zombie is None:
            return
        if numbers[0] % 2:
            self.zombie.watch()
        await self.zombie.reader.merge()
        if numbers[0] % 4:
            await self.zombie.reader.sweep()

    def counted(self) -> dict[Uid, list[str]]:
        """Return the runs that each status counts, in their order."""
        found = {}
        for uid in UIDS:
            known = self.desk.bench.ledger.get(uid)
            assert known is not None
            history = [run.id or "" for run in reversed(known.state.history)]
            assert known.state.consecutive_successes == len(history)
            found[uid] = history
        return found


NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=6)
STEPS = st.sampled_from(
    ["append"] * 8
    + ["watch"] * 4
    + ["merge"] * 4
    + ["store"] * 4
    + ["sweep"] * 3
    + ["restart", "lose_the_stream", "hand_over", "haunt", "haunt"]
)


@settings(deadline=None, max_examples=300)
@given(
    steps=st.lists(st.tuples(STEPS, NUMBERS), min_size=10, max_size=60), last=NUMBERS
)
async def test_each_ping_counts_once_and_in_order_whatever_was_merged(
    steps: list[tuple[str, list[int]]], last: list[int]
) -> None:
    with easily_merged():
        story = Story()
        for name, numbers in steps:
            await getattr(story, name)(numbers)
        event(f"checkpoints: {min(len(story.api.of('POST')), 4)} or more")
        await story.restart(last)
        assert story.counted() == story.accepted
        await story.store([0, 1, 2])
        await story.sweep([1])
        assert story.api.names == []
