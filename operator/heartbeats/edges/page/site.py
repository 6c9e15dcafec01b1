"""The status page's routes, on a listener of its own: they read and change nothing.

Only the leader knows how the monitors are. A replica that follows says who leads, with
503, and never shows an empty list. Whatever is wrong is said in the form that was asked
for: a page, JSON or a badge.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from heartbeats.clock import Clock
from heartbeats.config import OWN_NAMESPACE
from heartbeats.core.model import Health, MonitorKey
from heartbeats.edges.page import records, render, views
from heartbeats.edges.page.badge import badge
from heartbeats.edges.page.changes import Changes
from heartbeats.edges.page.hosts import is_misled
from heartbeats.edges.page.live import Live
from heartbeats.edges.page.query import BadQueryError, Query
from heartbeats.edges.page.search import Found, bad_runs, find, newest_first
from heartbeats.edges.page.survey import Census, Monitors, Seen, Survey, look
from heartbeats.ledger.entries import Entry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TITLES: Final = {
    HTTPStatus.BAD_REQUEST: "This cannot be understood",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.MISDIRECTED_REQUEST: "Not known by this name",
    HTTPStatus.METHOD_NOT_ALLOWED: "Only reading is possible",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not known here",
}
_MISLED: Final = (
    "This page listens for its own machine only, and is known as localhost there."
)
_NOBODY: Final = "This replica follows, and nobody leads yet."
_UNREAD: Final = "This monitor is not judged here yet: this replica is starting."


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are, as far as commands on the page name them."""

    service: str = "http://heartbeats-ping:8080"
    """How ping URLs begin."""
    namespace: str = OWN_NAMESPACE
    """Of the operator's pods."""
    port: int = 8082
    """Of the page."""
    is_local: bool = True
    """Whether the page listens for its own machine only."""
    has_secrets: bool = True
    """Whether ping URLs are delivered in Secrets."""


DEFAULT_PLACE: Final = Place()


class ProblemError(Exception):
    """Something cannot be answered; the message says why."""

    def __init__(self, status: HTTPStatus, text: str, leader: str = "") -> None:
        super().__init__(text)
        self.status, self.text, self.leader = status, text, leader


class StatusPage:
    """Answers people and programs.

    `follows` names the replica that leads in place of this one (empty: none does);
    None: this one leads.
    """

    def __init__(
        self,
        monitors: Monitors,
        clock: Clock,
        follows: Callable[[], str | None] = lambda: None,
        place: Place = DEFAULT_PLACE,
    ) -> None:
        self._monitors, self._clock, self._follows = monitors, clock, follows
        self._place = place
        self._changes = Changes(round(clock.now().timestamp() * 1000))
        self._survey = Survey(monitors, self._changes, clock.now)
        self._live = Live(monitors, self._survey, self._changes, clock, follows)
        self.mark = self._changes.mark
        """Takes note that a monitor changed or is gone, for pages that are open."""
        self.forget = self._survey.forget
        """Drops what is remembered of monitors: the ledger is another one."""

    def application(self) -> web.Application:
        """Return what a listener serves."""
        render.prepare()
        app = web.Application(middlewares=[self._in_words])
        add = app.router.add_get
        add("/", self._overview)
        add("/incidents", self._incidents)
        add("/monitors/{namespace}/{name}", self._monitor)
        add("/badge/{namespace}/{name}.svg", self._badge)
        add(records.PATH, self._listing)
        add(records.PATH + "/{namespace}/{name}", self._record)
        add("/events", self._live.stream, allow_head=False)
        for asset in render.assets().values():
            add(asset.url, _static)
        app.cleanup_ctx.append(self._live.running)
        app.on_shutdown.append(self._live.close)
        return app

    # For people

    async def _overview(self, request: web.Request) -> web.Response:
        census, found = await self._found(Query.of(request.query))
        above = views.of_incidents(found.query, views.INCIDENTS_SHOWN)
        down = await find(census, above, newest_first)
        context = views.overview(census, found, down)
        return await render.page("overview.html", context)

    async def _incidents(self, request: web.Request) -> web.Response:
        query = Query.of(request.query)
        wanted = views.of_incidents(query)
        census, down = await self._found(wanted, newest_first)
        unknown = replace(wanted, states=frozenset({Health.UNKNOWN}), page=1)
        context = views.incidents(
            census,
            down,
            await find(census, unknown, newest_first),
            await bad_runs(census, query),
        )
        return await render.page("incidents.html", context)

    async def _monitor(self, request: web.Request) -> web.Response:
        seen = self._seen(request)
        context = views.monitor(seen, self._place.service, self._clock.now())
        more = {
            "version": self._changes.version,
            "has_secrets": self._place.has_secrets,
        }
        return await render.page("monitor.html", context | more)

    async def _badge(self, request: web.Request) -> web.Response:
        seen = self._seen(request)
        return badge(seen.entry.key.name, seen.word.health)

    # For programs

    async def _listing(self, request: web.Request) -> web.Response:
        census, found = await self._found(Query.of(request.query))
        return records.answer(await records.listing(census, found))

    async def _record(self, request: web.Request) -> web.Response:
        seen = self._seen(request)
        return records.answer(records.details(seen, now=self._clock.now()))

    # What is known

    def _check_name(self, request: web.Request) -> None:
        """Go on only where nobody led a name of his own to this machine."""
        if self._place.is_local and is_misled(request.host):
            raise ProblemError(HTTPStatus.MISDIRECTED_REQUEST, _MISLED)

    def _check_leads(self) -> None:
        """Go on only where the monitors are known."""
        leader = self._follows()
        if leader is not None:
            text = f"This replica follows: {leader} leads." if leader else _NOBODY
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, text, leader)

    async def _found(
        self, query: Query, order: Callable[[Entry], float] | None = None
    ) -> tuple[Census, Found]:
        self._check_leads()
        census = await self._survey.take()
        found = await find(census, query, order)
        if query.page > found.pages:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                f"There is no page {query.page}; the last is {found.pages}.",
            )
        return census, found

    def _seen(self, request: web.Request) -> Seen:
        self._check_leads()
        info = request.match_info
        key = MonitorKey(info["namespace"], info["name"])
        entry = self._monitors.named(key)
        if entry is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no monitor {key}.")
        if entry.subject is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, _UNREAD)
        return look(entry, now=self._clock.now())

    # What is wrong

    @web.middleware
    async def _in_words(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Say what is wrong in the form that was asked for."""
        try:
            self._check_name(request)
            return await handler(request)
        except BadQueryError as error:
            problem = ProblemError(HTTPStatus.BAD_REQUEST, f"{error}.")
        except ProblemError as error:
            problem = error
        except web.HTTPMethodNotAllowed as error:
            answer = await self._say(
                request, ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or HEAD.")
            )
            answer.headers["Allow"] = error.headers["Allow"]
            return answer
        except web.HTTPNotFound:
            problem = ProblemError(HTTPStatus.NOT_FOUND, "There is nothing here.")
        return await self._say(request, problem)

    async def _say(self, request: web.Request, problem: ProblemError) -> web.Response:
        if request.path.startswith("/badge/"):
            said = (
                "unknown"
                if problem.status == HTTPStatus.SERVICE_UNAVAILABLE
                else "not found"
            )
            return badge("heartbeats", said, problem.status)
        if request.path.startswith("/api/"):
            told = {"leader": problem.leader} if problem.leader else {}
            return records.answer({"error": problem.text, **told}, problem.status)
        return await render.page(
            "problem.html", self._problem(problem), status=problem.status
        )

    def _problem(self, problem: ProblemError) -> dict[str, Any]:
        pod, _, _ = problem.leader.rpartition("_")
        namespace, port = self._place.namespace, self._place.port
        return {
            "now": self._clock.now(),
            "version": self._changes.version,
            "title": _TITLES[problem.status],
            "text": problem.text,
            "leader": problem.leader,
            "command": f"kubectl -n {namespace} port-forward pod/{pod} {port}",
            "waits": problem.status == HTTPStatus.SERVICE_UNAVAILABLE,
        }


async def _static(request: web.Request) -> web.Response:
    return render.assets()[request.path].answer()
