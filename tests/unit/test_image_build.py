"""What `make image` asks a builder for."""

import sys
from pathlib import Path

import pytest

from heartbeats import __version__
from support.image import build

ROOT = Path(__file__).parents[2]


def test_docker_is_asked_for_the_dockerfile_of_the_checkout() -> None:
    asked = build.command("docker", "mine:1", revision="abc")
    expected = ["docker", "build", "--build-arg=REVISION=abc", "--tag=mine:1"]
    assert asked == [*expected, str(ROOT)]


@pytest.mark.parametrize("builder", ["podman", "buildah"])
def test_the_others_keep_the_health_check(builder: str) -> None:
    assert "--format=docker" in build.command(builder, "mine:1")


def test_a_base_and_secrets_are_handed_on() -> None:
    secrets = {"pip.conf": Path("/pip.conf"), "certificates": None}
    asked = build.command("docker", "mine:1", base="python:3.14", secrets=secrets)
    assert "--build-arg=BASE=python:3.14" in asked
    assert [each for each in asked if "secret" in each] == [
        "--secret=id=pip.conf,src=/pip.conf"
    ]
    text = (ROOT / "Dockerfile").read_text()
    assert all(f"--mount=type=secret,id={name}" in text for name in secrets)


def test_the_first_builder_that_works_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in (("docker", 1), ("buildah", 0)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert build.find_builder() == "buildah"


def test_without_any_builder_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["image"])
    with pytest.raises(SystemExit, match="apt-get install buildah"):
        build.main()


def test_the_image_says_which_release_it_is() -> None:
    label = f'org.opencontainers.image.version="{__version__}"'
    assert label in (ROOT / "Dockerfile").read_text()


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert kept - {"operator"} == copied
