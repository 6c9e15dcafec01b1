"""What is really applied, and where it came from."""

from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import CronJobFacts, Judged, Reason, Source, Spec, Uid
from heartbeats.core.policy import Defaults, Surroundings, resolve

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WATCHING = Spec(source=Source.CRON_JOB, cron_job_name="nightly")


def cron_job(**more: object) -> CronJobFacts:
    fields: dict[str, object] = {
        "uid": Uid("u"),
        "name": "nightly",
        "namespace": "shop",
        "schedule": "0 2 * * *",
        **more,
    }
    return CronJobFacts(**fields)  # type: ignore[arg-type]


def test_the_spec_goes_before_the_cron_job_and_that_before_the_namespace() -> None:
    name = "heartbeats.dev/grace-period"
    around = Surroundings(
        cron_job=cron_job(annotations=((name, "2m"),)),
        namespace_annotations={name: "3m"},
    )
    spec = Spec(source=Source.CRON_JOB, cron_job_name="nightly", grace=MINUTE)
    assert resolve(spec, around, now=NOW)[0].grace == MINUTE
    policy, _ = resolve(WATCHING, around, now=NOW)
    assert policy.grace == 2 * MINUTE
    assert dict(policy.origins)["gracePeriod"] == "annotation on the CronJob"
    around = Surroundings(cron_job=cron_job(), namespace_annotations={name: "3m"})
    assert resolve(WATCHING, around, now=NOW)[0].grace == 3 * MINUTE
    around = Surroundings(cron_job=cron_job())
    assert resolve(WATCHING, around, now=NOW)[0].grace == 5 * MINUTE


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        ("grace-period", "1d", "24h"),
        ("max-runtime", "0s", "1s or more"),
        ("failure-threshold", "many", "1 to 100"),
        ("failure-threshold", "101", "1 to 100"),
        ("severity", "x" * 64, "63 characters"),
    ],
)
def test_a_wrong_annotation_is_skipped_and_named(
    annotation: str, value: str, words: str
) -> None:
    name = f"heartbeats.dev/{annotation}"
    around = Surroundings(cron_job=cron_job(annotations=((name, value),)))
    policy, trouble = resolve(WATCHING, around, now=NOW)
    assert trouble is None
    (note,) = policy.notes
    assert name in note
    assert words in note


def test_an_unset_zone_is_the_clusters() -> None:
    around = Surroundings(
        cron_job=cron_job(), defaults=Defaults(cluster_time_zone="Europe/Berlin")
    )
    policy, _ = resolve(WATCHING, around, now=NOW)
    assert policy.time_zone == "Europe/Berlin"
    assert dict(policy.origins)["timeZone"] == "--cluster-time-zone"


@pytest.mark.parametrize(
    ("schedule", "zone", "reason", "words"),
    [
        ("61 * * * *", "UTC", Reason.INVALID_SCHEDULE, "61"),
        ("nonsense", "UTC", Reason.INVALID_SCHEDULE, "nonsense"),
        ("0 0 31 2 *", "UTC", Reason.INVALID_SCHEDULE, "never fires"),
        ("0 2 * * *", "Mars/Olympus", Reason.UNKNOWN_TIME_ZONE, "Mars/Olympus"),
    ],
)
def test_a_timetable_that_cannot_be_judged_is_trouble(
    schedule: str, zone: str, reason: Reason, words: str
) -> None:
    spec = Spec(source=Source.PING, schedule=schedule, time_zone=zone)
    _, trouble = resolve(spec, Surroundings(), now=NOW)
    assert trouble is not None
    assert trouble.reason is reason
    assert words in trouble.message


def test_a_missing_cron_job_is_trouble_with_advice() -> None:
    _, trouble = resolve(WATCHING, Surroundings(), now=NOW)
    assert trouble is not None
    assert trouble.reason is Reason.CRON_JOB_NOT_FOUND
    assert "nightly" in trouble.message


def test_a_vanished_cron_job_leaves_its_schedule_armed() -> None:
    last = Judged(schedule="0 2 * * *", time_zone="Europe/Berlin")
    policy, trouble = resolve(WATCHING, Surroundings(last_known=last), now=NOW)
    assert policy.orphaned
    assert (policy.schedule, policy.time_zone) == ("0 2 * * *", "Europe/Berlin")
    assert trouble is not None


def test_a_pause_has_an_end_if_the_spec_says_so() -> None:
    spec = Spec(source=Source.PING, interval=MINUTE, suspend_until=NOW + MINUTE)
    policy, _ = resolve(spec, Surroundings(), now=NOW)
    assert (policy.suspended, policy.resume_at) == (True, NOW + MINUTE)
    policy, _ = resolve(spec, Surroundings(), now=NOW + MINUTE)
    assert (policy.suspended, policy.resume_at) == (False, None)


def test_a_suspended_cron_job_suspends_its_monitor() -> None:
    around = Surroundings(cron_job=cron_job(suspend=True))
    assert resolve(WATCHING, around, now=NOW)[0].suspended


def test_forbid_excuses_slots_while_a_run_is_open() -> None:
    around = Surroundings(cron_job=cron_job(concurrency_policy="Forbid"))
    assert resolve(WATCHING, around, now=NOW)[0].skips_while_running
    around = Surroundings(cron_job=cron_job(concurrency_policy="Replace"))
    assert not resolve(WATCHING, around, now=NOW)[0].skips_while_running
