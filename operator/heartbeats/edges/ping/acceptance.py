"""What every dialect does with a ping: find its monitor, record it, then answer.

The order is the promise: nothing is answered with success before the recorder has
returned, and 404 is said only when it is proven.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

from msgspec import Struct

from heartbeats.clock import Clock
from heartbeats.core.model import CheckIn, Kind
from heartbeats.edges.ping import answers, texts
from heartbeats.edges.ping.ports import Directory, MonitorView, NotSureError, Recorder
from heartbeats.edges.ping.requests import Call
from heartbeats.journal import JournalUnavailable, ShareExceeded


class Report(Struct, frozen=True, kw_only=True):
    """What a dialect read from a request."""

    kind: Kind
    run_id: str | None = None
    duration: timedelta | None = None
    exit_code: int | None = None
    message: str = ""
    """Written by the caller for us; kept whatever `--capture-output` says."""
    output: str = ""
    """The job's own output; `--capture-output` decides about it."""
    streams: Mapping[str, str] = {}
    """Output with names (stdout, stderr), for the event log."""
    detail: Mapping[str, object] = {}
    """More for the event log."""


REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 10_000


class Refused:
    """The successes that were refused a moment ago, by token and peer.

    `job && curl U || curl U?status=fail` reports a failure when only the report of
    its success failed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[tuple[str, str | None], float] = {}

    def note(self, call: Call, kind: Kind) -> None:
        """Remember a success that was refused."""
        if kind is not Kind.SUCCESS:
            return
        if len(self._times) >= MOST_REMEMBERED:
            del self._times[next(iter(self._times))]
        key = (call.token, call.peer())
        self._times.pop(key, None)
        self._times[key] = self._clock.monotonic()

    def explains(self, call: Call, kind: Kind) -> bool:
        """Tell whether a failure may be the echo of such a success."""
        if kind is not Kind.FAILURE or not self._times:
            return False
        at = self._times.get((call.token, call.peer()))
        return at is not None and self._clock.monotonic() - at <= REMEMBERED_SECONDS


class Acceptance:
    """Finds monitors and records reports, for all dialects."""

    def __init__(
        self,
        directory: Directory,
        recorder: Recorder,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        capture_failures: bool = True,
        patience: timedelta = timedelta(seconds=4),
        share_delay: timedelta = timedelta(milliseconds=250),
    ) -> None:
        self._directory = directory
        self._recorder = recorder
        self._clock = clock
        self._new_id = new_id
        self._capture_failures = capture_failures
        self._patience = patience.total_seconds()
        self._share_delay = share_delay.total_seconds()
        # Who pings in a tight loop is slowed down: refusing costs us, too.
        self._refused = Refused(clock)

    async def find(self, call: Call) -> MonitorView:
        """Return the ping monitor of the token; refuses with 404 or 503."""
        view = self._directory.lookup(call.token)
        if view is None:
            view = await self._find_slowly(call)
        if view is None or not view.is_ping:
            raise answers.not_found()
        return view

    async def record(self, call: Call, view: MonitorView, report: Report) -> None:
        """Return when the report is stored; refuses with 503 when it may not be."""
        check_in = self._check_in(call, report)
        try:
            left = self._patience - call.waited
            await self._recorder.record(view, check_in, within=left)
        except ShareExceeded as error:
            self._refused.note(call, report.kind)
            await asyncio.sleep(self._share_delay)
            raise answers.too_many(str(error)) from error
        except JournalUnavailable as error:
            self._refused.note(call, report.kind)
            raise answers.not_ready() from error

    async def _find_slowly(self, call: Call) -> MonitorView | None:
        if not self._directory.synced:
            # It may be imported, or made a moment ago: 404 would be final.
            raise answers.not_ready()
        if not self._directory.is_ours(call.token):
            return None
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                return await self._directory.settle(call.token)
        except (NotSureError, TimeoutError) as error:
            raise answers.not_ready() from error
        finally:
            call.waited = self._clock.monotonic() - began

    def _check_in(self, call: Call, report: Report) -> CheckIn:
        detail, output = dict(report.detail), report.output
        if self._captures(report.kind):
            detail |= report.streams
        elif output:
            # Its length in characters; with streams `output` is only a part of them.
            whole = report.streams.values() or (output,)
            detail["output_length"], output = sum(map(len, whole)), ""
        if peer := call.peer():
            detail["remote_addr"] = peer
        message = "\n".join(filter(None, (report.message, output)))
        secret = _secret_in(call.token)
        return CheckIn(
            id=self._new_id(),
            kind=report.kind,
            at=call.received_at,
            run_id=report.run_id,
            duration=report.duration,
            exit_code=report.exit_code,
            source=texts.hide(call.source(), secret),
            message=texts.cut(texts.hide(message, secret), answers.BODY_LIMIT),
            ambiguous=self._refused.explains(call, report.kind),
            detail=tuple(
                (name, texts.hide_in(each, secret)) for name, each in detail.items()
            ),
        )

    def _captures(self, kind: Kind) -> bool:
        """Keep the output of failures; that of a success is nobody's to read."""
        return self._capture_failures and kind is not Kind.SUCCESS


def _secret_in(token: str) -> str:
    """Return what must not be told on: a job's output often holds the URL it calls.

    Of a word behind a key the key is the secret; the word names the job.
    """
    return token.partition("/")[0]
