"""Every option of `run` can be set by the environment, by the name that help tells."""

import click
import pytest

from heartbeats.cli.run import run

OPTIONS = [each for each in run.params if isinstance(each, click.Option)]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.opts[0])
def test_an_options_variable_is_called_like_its_flag(option: click.Option) -> None:
    flag = option.opts[0].removeprefix("--").replace("-", "_").upper()
    assert option.name is not None
    variable = option.envvar or f"HEARTBEATS_{option.name.upper()}"
    assert variable == f"HEARTBEATS_{flag}"


def test_the_prefix_is_the_one_that_help_tells() -> None:
    assert run.context_settings["auto_envvar_prefix"] == "HEARTBEATS"
