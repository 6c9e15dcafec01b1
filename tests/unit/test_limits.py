"""What the journal takes at once, and on average, unless it was told otherwise."""

from click.testing import CliRunner

from heartbeats.cli.run import run
from heartbeats.config import Config
from heartbeats.core.model import Uid
from heartbeats.journal import JournalUnavailable, Limits
from heartbeats.journal.limits import Shares

MIB = 1024 * 1024
ETCD_QUOTA = 2048 * MIB
HISTORY_SECONDS = 600
"""The API server compacts every five minutes what is older than five minutes."""


def take_all(shares: Shares, number: int, size: int, *, now: float) -> int:
    """Offer so many entries, each of a monitor of its own; return how many went in."""
    for taken in range(number):
        try:
            shares.take(Uid(f"hbm-{taken}"), size, now=now)
        except JournalUnavailable:
            return taken
    return number


def test_thousands_of_failures_with_outputs_may_come_in_one_second() -> None:
    shares = Shares(Limits(), now=0.0)
    assert take_all(shares, 6_000, 10_500, now=0.0) == 6_000
    assert take_all(shares, 6_000, 10_500, now=1.0) < 600


def test_what_came_at_once_is_made_up_for_at_a_mebibyte_a_second() -> None:
    shares = Shares(Limits(), now=0.0)
    assert take_all(shares, 65, MIB, now=0.0) == 64
    assert take_all(shares, 65, MIB, now=10.0) == 10
    assert take_all(shares, 65, MIB, now=10_000.0) == 64


def test_ten_minutes_of_pings_leave_etcd_most_of_its_room() -> None:
    """Deleted or not, every revision takes up room until it is compacted."""
    limits = Limits()
    most = limits.bytes_per_second * (HISTORY_SECONDS + limits.burst_seconds)
    assert most < ETCD_QUOTA / 3


def test_the_flag_says_what_is_so() -> None:
    assert Config().journal_bytes_per_second == Limits().bytes_per_second == MIB
    text = " ".join(CliRunner().invoke(run, ["--help"]).output.split())
    assert f"default: {MIB}" in text
