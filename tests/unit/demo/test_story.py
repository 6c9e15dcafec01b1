"""The story: a sample has shown its states once they were seen in their order."""

from heartbeats.core.model import Health, MonitorKey
from heartbeats.demo.story import LAPTOP, PARTS, REPORT, Progress, Row, caption


def seen(progress: Progress, *states: str, key: MonitorKey = LAPTOP) -> Progress:
    """Show a monitor in these states, one after the other."""
    for state in states:
        reason = {"Down": "RunMissed"}.get(state, "")
        progress = progress.after([Row(key, state, reason=reason)])
    return progress


def whole_story() -> Progress:
    progress = Progress()
    for part in PARTS:
        for step in part.steps:
            row = Row(part.key, step.state, reason=step.reason or "")
            progress = progress.after([row])
    return progress


def test_states_count_in_their_order_only() -> None:
    assert seen(Progress(), "Down", "Late").count(LAPTOP) == 0
    assert seen(Progress(), "Up", "Down").count(LAPTOP) == 1
    assert seen(Progress(), "New", "Up", "Up", "Late", "Down").count(LAPTOP) == 3


def test_a_state_that_was_seen_stays_seen_when_it_passes() -> None:
    assert seen(Progress(), "Up", "Late", "Up", "Late").count(LAPTOP) == 2


def test_a_row_that_is_missing_from_a_list_takes_nothing_back() -> None:
    assert seen(Progress(), "Up").after([]).count(LAPTOP) == 1


def test_a_down_for_another_reason_is_not_the_one_that_was_to_be_shown() -> None:
    missed = Progress().after([Row(REPORT, "Down", reason="RunMissed")])
    failed = Progress().after([Row(REPORT, "Down", reason="RunFailed")])
    assert (missed.count(REPORT), failed.count(REPORT)) == (0, 1)


def test_monitors_of_others_are_no_part_of_the_story() -> None:
    stranger = Row(MonitorKey("shop", "backup-cronjob"), "Up")
    assert not any(Progress().after([stranger]).seen.values())


def test_it_is_complete_when_every_sample_has_shown_every_state() -> None:
    assert whole_story().is_complete
    assert whole_story().missing() == []
    assert not seen(Progress(), "Up", "Late", "Down", "Up").is_complete


def test_what_is_missing_is_named_with_its_reason() -> None:
    assert seen(Progress(), "Up", "Late").missing() == [
        "heartbeats-demo/archive-cronjob has not shown Paused",
        "heartbeats-demo/backup-cronjob has not shown Up",
        "heartbeats-demo/laptop-backup has not shown Down (RunMissed), then Up",
        "heartbeats-demo/report-cronjob has not shown Down (RunFailed)",
    ]


def test_the_laptop_pings_until_it_is_up_then_is_silent_until_it_is_down() -> None:
    states = ("Up", "Late", "Down", "Up")
    pings = [seen(Progress(), *states[:count]).laptop_pings for count in range(5)]
    assert pings == [True, False, False, True, True]


def test_every_stage_of_the_story_has_its_own_caption() -> None:
    states = ("Up", "Late", "Down", "Up")
    captions = {caption(seen(Progress(), *states[:count])) for count in range(5)}
    assert len(captions | {caption(whole_story())}) == 6


def test_late_down_and_recovery_are_all_part_of_the_story() -> None:
    shown = {step.state for part in PARTS for step in part.steps}
    assert shown == {Health.UP, Health.LATE, Health.DOWN, Health.PAUSED}
