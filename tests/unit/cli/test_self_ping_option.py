"""--self-ping-url: a URL that can be called, and that nobody is shown."""

import pytest
from click.testing import CliRunner

from heartbeats.cli.run import _config, run
from heartbeats.config import Config

TOKEN = "6f0c1f0e-1234-8000-8000-00000000beef"


@pytest.mark.parametrize(
    "url",
    [
        TOKEN,
        f"watcher.example.org/{TOKEN}",
        f"ftp://watcher.example.org/{TOKEN}",
        f"https:///{TOKEN}",
        f"http://[::1/{TOKEN}",
        f"http://watcher.example.org:99999/{TOKEN}",
        f"http://watcher.example.org:0/{TOKEN}",
    ],
)
@pytest.mark.parametrize("how", ["flag", "environment"])
def test_what_cannot_be_called_is_refused_without_a_word_of_it(
    url: str, how: str
) -> None:
    flags = ["--self-ping-url", url] if how == "flag" else []
    environ = {"HEARTBEATS_SELF_PING_URL": url} if how == "environment" else {}
    result = CliRunner().invoke(run, flags, env=environ)
    assert result.exit_code == 2
    assert "--self-ping-url" in result.output
    assert "write an http or https URL" in result.output
    assert TOKEN not in result.output


@pytest.mark.parametrize(
    "url",
    [
        None,
        f"https://watcher.example.org/{TOKEN}",
        f"http://u:p@[::1]:8080/{TOKEN}?a=b",
    ],
)
def test_what_can_be_called_is_taken_and_does_not_show(
    url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Config] = []

    def take(options: dict[str, object]) -> Config:
        taken.append(_config(options))
        raise SystemExit(0)

    monkeypatch.setattr("heartbeats.cli.run._config", take)
    CliRunner().invoke(run, [] if url is None else ["--self-ping-url", url])
    [config] = taken
    assert config.self_ping_url == url
    assert TOKEN not in repr(config)
