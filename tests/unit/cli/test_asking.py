"""How lines reach a terminal, whatever it can show and however soon it is closed."""

import os
import subprocess
import sys

import pytest

from heartbeats.cli.asking import as_text, key_of
from heartbeats.core.model import MonitorKey

MUCH = "from heartbeats.cli.asking import show; show(['✓' * 99] * 9999)"


def test_what_a_terminal_has_no_sign_for_is_replaced() -> None:
    code = "from heartbeats.cli.asking import show; show(['a ✓ ü'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a ? ?\n", b"")


def test_whoever_reads_no_further_ends_it_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MUCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nightly", MonitorKey("shop", "nightly")),
        ("billing/nightly", MonitorKey("billing", "nightly")),
    ],
)
def test_a_name_may_bring_its_namespace(text: str, expected: MonitorKey) -> None:
    assert key_of(text, "shop") == expected


def test_objects_are_written_in_their_order() -> None:
    content = {"b": "ü", "a": None}
    assert as_text(content, "json") == ["{", '  "b": "ü",', '  "a": null', "}"]
    assert as_text(content, "yaml") == ["b: ü", "a: null"]
