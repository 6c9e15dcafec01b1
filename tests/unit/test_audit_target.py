"""`make audit` fails when something is found, and when nothing could be asked."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READY = ".venv/.ready"


def audit(folder: Path, said: str, code: int) -> "subprocess.CompletedProcess[str]":
    """Run the target with a pip-audit that says this and ends so."""
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit {code}\n")
    program.chmod(0o755)
    command = ["make", "-o", READY, "audit", f"BIN={folder}"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_without_findings_it_succeeds(tmp_path: Path) -> None:
    done = audit(tmp_path, "No known vulnerabilities found", 0)
    assert done.returncode == 0
    assert "No known vulnerabilities found" in done.stderr


def test_a_finding_fails_it_and_is_shown(tmp_path: Path) -> None:
    done = audit(tmp_path, "Found 2 known vulnerabilities in 1 package", 1)
    assert done.returncode != 0
    assert "Found 2 known vulnerabilities" in done.stderr
    assert "could not be done" not in done.stderr


@pytest.mark.parametrize(
    "said",
    [
        "Traceback (most recent call last):\n  …\nConnectionError: no route to host",
        "ERROR:pip_audit._cli:msgspec: Dependency not found and could not be audited",
    ],
)
def test_what_could_not_be_asked_is_no_good_news(tmp_path: Path, said: str) -> None:
    done = audit(tmp_path, said, 1)
    assert done.returncode != 0
    first, *rest = done.stderr.splitlines()
    assert first.startswith("The audit could not be done, the vulnerability service")
    assert first.endswith(said.splitlines()[-1])
    assert all("***" in each for each in rest), "what make itself says"


def test_everything_that_is_locked_is_audited_and_nothing_is_skipped() -> None:
    command = ["make", "-n", "-o", READY, "audit"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-r requirements-dev.lock" in done.stdout
    assert "--strict" in done.stdout
    everything = pins("requirements-dev.lock")
    assert pins("requirements.lock") <= everything
    assert pins("requirements-build.lock") <= everything


def pins(lock: str) -> set[str]:
    """Return what a lock file pins, with versions."""
    lines = (ROOT / lock).read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line and line[0] != " "}
