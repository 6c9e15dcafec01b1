"""Many segments become few checkpoints: nothing is lost, and little written twice."""

import asyncio
import json
from datetime import timedelta

import pytest

from heartbeats.edges.kube import errors, segments
from heartbeats.edges.kube.checkpoints import FEW, MOST_WRITES, ROUND_SECONDS
from heartbeats.journal import SEGMENT_BYTES, encode
from heartbeats.ledger import Entry as LedgerEntry
from support.journals import Desk, entries_of, entry

NEWER = '{"formatVersion": 2, "entries": {"in": "another shape"}}'
MANY = FEW + 50


@pytest.fixture
def desk() -> Desk:
    return Desk()


def fill(desk: Desk, number: int = MANY, *, monitors: int = 5) -> list[LedgerEntry]:
    """Store so many segments of one ping each, tell of them and let them grow old."""
    known = [desk.monitor(f"job-{n}", history_limit=1000) for n in range(monitors)]
    for n in range(number):
        desk.api.append(entry(n, f"job-{n % monitors}", run_id=f"run-{n}"))
    desk.watch()
    desk.grow_old()
    return known


async def merged(desk: Desk) -> None:
    """Merge, delete what was merged, and let the reader hear of both."""
    await desk.reader.merge()
    await desk.reader.sweep()
    desk.watch()


def places(desk: Desk) -> list[int]:
    """Return where the entries stand that are in the API, however often."""
    found = (each for item in desk.api.config_maps for each in entries_of(item))
    return sorted(each.check_in.revision or 0 for each in found)


# What is merged, and when


async def test_many_segments_become_a_few_checkpoints_of_the_same_entries(
    desk: Desk,
) -> None:
    fill(desk, 2 * MANY)
    before = places(desk)
    await merged(desk)
    assert len(desk.segments) <= FEW + 2
    assert 1 <= len(desk.api.checkpoints) <= 2
    assert places(desk) == before, "each has kept its place"
    assert desk.reader.pending == 2 * MANY


async def test_a_checkpoint_looks_like_a_segment_and_is_no_larger(desk: Desk) -> None:
    fill(desk, 3 * MANY)
    await merged(desk)
    for item in desk.api.checkpoints:
        assert len(item.data["entries"].encode()) <= SEGMENT_BYTES
        assert item.immutable
        assert item.metadata.labels == {"heartbeats.dev/journal": "v1"}
    assert max(len(each.data["entries"]) for each in desk.api.checkpoints) > 30_000


async def test_few_segments_are_left_alone(desk: Desk) -> None:
    fill(desk, FEW)
    await merged(desk)
    assert len(desk.segments) == FEW
    assert desk.api.sent == []


async def test_young_segments_are_left_alone(desk: Desk) -> None:
    fill(desk, 2)
    for n in range(MANY):
        desk.api.append(entry(n, "job-1"))
    desk.watch()
    await merged(desk)
    assert desk.api.sent == []
    desk.grow_old()
    await merged(desk)
    assert len(desk.api.checkpoints) == 1


async def test_large_segments_are_left_alone(desk: Desk) -> None:
    desk.monitor()
    for n in range(MANY):
        desk.api.append(entry(n, message="x" * 9_000))
    desk.watch()
    desk.grow_old()
    await merged(desk)
    assert desk.api.sent == []


async def test_a_round_writes_the_more_the_more_there_is_but_few(desk: Desk) -> None:
    fill(desk, 3 * FEW)
    await merged(desk)
    assert len(desk.api.of("POST")) == 3
    fill(desk, 14 * FEW)
    desk.api.sent.clear()
    assert await desk.reader.merge() == ROUND_SECONDS
    assert len(desk.api.of("POST")) == MOST_WRITES


async def test_the_newest_are_merged_first(desk: Desk) -> None:
    """The oldest will be spent soonest: to write those again would be a waste."""
    fill(desk, 2 * FEW)
    await desk.reader.merge()
    found = [each for item in desk.api.checkpoints for each in entries_of(item)]
    numbers = {int(each.check_in.id.removeprefix("ping-")) for each in found}
    assert numbers == set(range(2 * FEW - len(found), 2 * FEW))
    assert len(found) < 2 * FEW


async def test_without_an_open_ledger_nothing_is_merged() -> None:
    desk = Desk(is_open=False)
    fill(desk)
    await merged(desk)
    assert desk.api.sent == []


async def test_unreadable_segments_are_neither_merged_nor_deleted(desk: Desk) -> None:
    kept = [desk.api.append(text=NEWER) for _ in range(3)]
    fill(desk)
    await merged(desk)
    assert set(kept) < set(desk.segments)
    assert all(each.data["entries"] != NEWER for each in desk.api.checkpoints)
    assert desk.api.checkpoints


# What is written


async def test_what_is_stored_is_not_written_again(desk: Desk) -> None:
    first, *_ = fill(desk)
    desk.is_stored(first)
    await merged(desk)
    [checkpoint] = desk.api.checkpoints
    assert first.uid not in {each.uid for each in entries_of(checkpoint)}


async def test_what_belongs_to_a_monitor_that_is_gone_is_not_written_again(
    desk: Desk,
) -> None:
    for n in range(5):
        desk.api.append(entry(n, "gone"))
    desk.watch()
    desk.api.refuse("DELETE", errors.ServerError("etcd"), times=5)
    await desk.reader.sweep()  # it is proven now
    fill(desk)
    await merged(desk)
    [checkpoint] = desk.api.checkpoints
    assert "hbm-gone" not in {each.uid for each in entries_of(checkpoint)}


async def test_merging_reads_nothing(desk: Desk) -> None:
    """Whoever is not known yet may be a monitor that is not read yet."""
    for n in range(MANY):
        desk.api.append(entry(n, "unknown"))
    desk.watch()
    desk.grow_old()
    await desk.reader.merge()
    assert desk.api.of("GET") == []
    [checkpoint] = desk.api.checkpoints
    assert {each.uid for each in entries_of(checkpoint)} == {"hbm-unknown"}


async def test_nothing_is_written_when_nothing_is_needed(desk: Desk) -> None:
    for each in fill(desk):
        desk.is_stored(each)
    await merged(desk)
    assert (desk.api.of("POST"), desk.segments) == ([], [])


async def test_keys_of_a_later_release_are_kept(desk: Desk) -> None:
    desk.monitor()
    for n in range(MANY):
        text = json.loads(encode((entry(n),)))
        text["entries"][0] |= {"later": n}
        desk.api.append(text=json.dumps(text))
    desk.watch()
    desk.grow_old()
    await merged(desk)
    [checkpoint] = desk.api.checkpoints
    found = json.loads(checkpoint.data["entries"])["entries"]
    assert {each["later"] for each in found} == {
        int(each["checkIn"]["id"].removeprefix("ping-")) for each in found
    }


async def test_the_bytes_put_stay_far_below_three_times_the_entries(desk: Desk) -> None:
    """Statuses are stored one by one, and all is merged that may be merged."""
    known = fill(desk, 3_000, monitors=100)
    json_bytes = sum(len(each.data["entries"]) - 36 for each in desk.api.config_maps)
    counts = [len(desk.segments)]
    for each in known:
        desk.is_stored(each)
        desk.grow_old()
        await merged(desk)
        counts.append(len(desk.segments))
    assert desk.api.put_bytes < 2.6 * json_bytes
    assert max(counts[6:]) <= FEW + 3_000 // 100
    assert desk.segments == []


# Checkpoints that are read


async def test_ones_own_checkpoint_changes_nothing(desk: Desk) -> None:
    known = fill(desk)
    states = [each.state for each in known]
    heard = list(desk.bench.heard.check_ins)
    await merged(desk)
    assert [each.state for each in known] == states
    assert desk.bench.heard.check_ins == heard
    assert desk.reader.pending == MANY


async def test_a_checkpoint_is_deleted_when_all_of_it_is_stored(desk: Desk) -> None:
    known = fill(desk)
    await merged(desk)
    for each in known:
        desk.is_stored(each)
    await merged(desk)
    assert (desk.segments, desk.reader.pending) == ([], 0)


async def test_a_list_is_applied_by_places_over_all(desk: Desk) -> None:
    """A checkpoint is newer than segments whose entries come after its own."""
    fill(desk, monitors=1)
    await desk.reader.merge()
    desk.api.append(entry(MANY, "job-0", run_id=f"run-{MANY}"))
    fresh = Desk(desk.api)
    known = fresh.monitor("job-0", history_limit=1000)
    fresh.relist(reversed(range(len(desk.segments))))
    runs = [run.id for run in reversed(known.state.history)]
    assert runs == [f"run-{n}" for n in range(MANY + 1)]
    assert len(fresh.applied) == MANY + 1, "those that are there twice are read once"


async def test_a_checkpoint_that_another_operator_wrote_is_deleted_too(
    desk: Desk,
) -> None:
    [known] = fill(desk, monitors=1)
    other = Desk(desk.api)
    other.monitor("job-0")
    other.watch()
    other.grow_old()
    await merged(other)
    desk.watch()
    assert desk.reader.pending == MANY
    desk.is_stored(known)
    await desk.reader.sweep()
    assert desk.segments == []


# Errors


@pytest.mark.parametrize(
    "error",
    [
        errors.Conflict("somebody else"),
        errors.TooManyRequests("busy"),
        errors.ServerError("etcd"),
        errors.Unreachable("no answer"),
        errors.Forbidden("exceeded quota"),
        errors.StaleError("not sure"),
        RuntimeError("a defect"),
    ],
)
async def test_without_its_checkpoint_no_segment_goes(
    desk: Desk, error: Exception
) -> None:
    fill(desk)
    before = desk.segments
    desk.api.refuse("POST", error)
    await merged(desk)
    assert desk.segments == before
    await merged(desk)
    assert len(desk.api.checkpoints) == 1


async def test_failures_are_told_once_and_waited_for_longer_each_time(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    fill(desk)
    desk.api.refuse("POST", errors.ServerError("etcd"), times=9)
    waits = [await desk.reader.merge() for _ in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 32, 32, 32]
    assert caplog.text.count("are not merged yet: etcd") == 1
    assert await desk.reader.merge() == ROUND_SECONDS
    desk.api.refuse("POST", errors.ServerError("etcd"))
    fill(desk, 2 * MANY)
    assert await desk.reader.merge() == 1
    assert caplog.text.count("are not merged yet: etcd") == 2


async def test_what_the_api_server_asks_for_is_waited_for(desk: Desk) -> None:
    fill(desk)
    busy = errors.TooManyRequests("busy", retry_after=timedelta(seconds=7))
    desk.api.refuse("POST", busy)
    assert await desk.reader.merge() == 7


async def test_a_lost_answer_leads_to_no_second_checkpoint(desk: Desk) -> None:
    fill(desk)
    desk.api.refuse("POST", errors.Unreachable("cut"), too_late=True)
    await merged(desk)
    assert (len(desk.api.checkpoints), len(desk.segments)) == (1, MANY + 1)
    await merged(desk)
    assert len(desk.api.checkpoints) == 1
    assert len(desk.segments) < FEW
    assert len({each.body["metadata"]["name"] for each in desk.api.of("POST")}) == 1


@pytest.mark.looptime
async def test_deleting_goes_on_while_nothing_can_be_merged(desk: Desk) -> None:
    first, *_ = fill(desk, 2 * MANY)
    desk.api.refuse("POST", errors.ServerError("etcd"), times=99)
    desk.is_stored(first)
    task = asyncio.create_task(desk.reader.run())
    await asyncio.sleep(2.5 * segments.SWEEP_SECONDS)
    task.cancel()
    await asyncio.wait([task])
    assert len(desk.segments) == 2 * MANY - 2 * MANY // 5
    assert len(desk.api.of("POST")) == 2, "at once, and a second later"
