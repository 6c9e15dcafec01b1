"""Each listener has an audience of its own and answers nothing that is another's."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.restarts import HEALTH, PINGS

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

PATHS = {
    "ping": {"/openapi.json"},
    "metrics": {"/metrics"},
    "health": {"/healthz", "/readyz"},
    "page": {"/", "/incidents", "/api/v1/monitors"},
}
HAS = {"ping": ("ping", "metrics", "health"), "operator": ("metrics", "health", "page")}
NOBODY_S = ("/debug", "/.env", "/status", "/configz")

Roles = dict[str, Process]


@pytest.fixture(scope="module")
def roles(own: Own) -> Iterator[Roles]:
    """Run both roles as processes of their own."""
    ping = ("run", "--role", "ping", "--kubeconfig", str(own.ping))
    operator = ("run", "--role", "operator", "--kubeconfig", str(own.operator))
    with Process(*operator, *FREE_PORTS) as first, Process(*ping, *FREE_PORTS) as other:
        for process in (first, other):
            until_answers(f"{process.wait_for(HEALTH)}/readyz", within=60)
        yield {"operator": first, "ping": other}


@pytest.mark.parametrize(
    ("role", "listener"), [(role, each) for role, has in HAS.items() for each in has]
)
def test_a_listener_answers_nothing_that_is_another_s(
    roles: Roles, role: str, listener: str
) -> None:
    form = PINGS if listener == "ping" else rf"The {listener} listener is at (\S+)"
    url = roles[role].wait_for(form)
    for path in PATHS[listener]:
        until_answers(url + path, within=60)  # the page knows nothing before it leads
    others = set().union(*PATHS.values()) - PATHS[listener]
    token = str(uuid4())
    for path in (*others, *NOBODY_S, f"/ping/{token}", f"/{token}"):
        assert ask(url + path)[0] == 404, path


def test_a_role_has_no_listener_that_it_does_not_need(roles: Roles) -> None:
    assert "The page listener" not in roles["ping"].said
    assert "Pings are answered" not in roles["operator"].said
