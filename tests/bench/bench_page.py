"""`make bench-page`: how long a page of 10,000 monitors takes, and whom it holds up.

The page is served from a real ledger by a process of its own and opened in the
machine's Chromium. Told are the first contentful paint, whole answers, the longest time
that a single callback holds the loop (CPU time), and what open pages cost while
monitors check in. Prints tables, then one JSON.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from playwright.async_api import Browser

from support.browser import browser, visiting

ROUNDS = 10
STREAMS = 20
CHECK_INS_PER_SECOND = 50
LIVE_SECONDS = 20
PAINT_LIMIT_MS = 1000
HOLD_LIMIT_MS = 50
_MEGABYTE = 1_000_000
_PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    const [found] = list.getEntriesByName("first-contentful-paint");
    if (found) resolve(found.startTime);
}).observe({ type: "paint", buffered: true }))"""

PAINTED = {
    # What must be painted within the limit; more rows may take longer.
    "overview": "/",
    "filtered by text": "/?q=team-07",
    "incidents": "/incidents",
}
ASKED = {
    **PAINTED,
    "overview, 500 rows": "/?size=500",
    "last page": "/?page={last}",
    "a monitor": "/monitors/team-01/nightly-job-00001",
    "JSON, 100": "/api/v1/monitors",
    "JSON, 500": "/api/v1/monitors?size=500",
    "badge": "/badge/team-01/nightly-job-00001.svg",
}


class Server:
    """The process that serves the page."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the page's process has ended")
        return line

    def measured(self, check_ins: int = 0) -> dict[str, float]:
        """Return what it measured; from now on so many check in a second."""
        assert self._process.stdin is not None
        print(check_ins or "", file=self._process.stdin, flush=True)
        found: dict[str, float] = json.loads(self._line())
        return found


@contextmanager
def serving(monitors: int) -> Iterator[Server]:
    """Run the page's process."""
    command = [sys.executable, "-m", "bench.page.server", "--monitors", str(monitors)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


async def paint(chromium: Browser, url: str) -> float:
    """Return when something was painted first, in a browser that knows nothing yet."""
    async with visiting(chromium, url) as (page, _):
        return float(await page.evaluate(_PAINT))


async def answer(http: ClientSession, url: str) -> tuple[float, int]:
    """Return how long an answer took, in milliseconds, and its size."""
    began = time.perf_counter()
    async with http.get(url) as got:
        size = len(await got.read())
        got.raise_for_status()
    return 1000 * (time.perf_counter() - began), size


async def pages(server: Server, monitors: int) -> dict[str, Any]:
    """Measure single pages, one after the other."""
    found: dict[str, Any] = {}
    last = -(-monitors // 100)
    async with browser() as chromium, ClientSession() as http:
        await paint(chromium, server.url)
        for name, path in ASKED.items():
            url = server.url + path.format(last=last)
            server.measured()
            took, size = [], 0
            for _ in range(ROUNDS):
                spent, size = await answer(http, url)
                took.append(spent)
                await asyncio.sleep(1.1)  # a census is kept for a second
            row = {"bytes": size, "answer_ms_median": statistics.median(took)}
            row |= {"answer_ms_most": max(took)}
            if not path.startswith(("/api/", "/badge/")):
                shown = [await paint(chromium, url) for _ in range(ROUNDS)]
                row |= {"paint_ms_median": statistics.median(shown)}
                row |= {"paint_ms_most": max(shown)}
            found[name] = row | {"hold_ms": server.measured()["longest_ms"]}
    return found


@asynccontextmanager
async def stream(url: str) -> AsyncIterator[list[int]]:
    """Hold a stream of events open; yields the sizes of what comes."""
    sizes: list[int] = []

    async def read() -> None:
        async with (
            ClientSession(timeout=ClientTimeout(total=None)) as http,
            http.get(url) as got,
        ):
            async for part in got.content.iter_any():
                sizes.append(len(part))  # noqa: PERF401 - read while it grows

    task = asyncio.create_task(read())
    try:
        yield sizes
    finally:
        task.cancel()
        await asyncio.wait([task])


async def live(server: Server, check_ins: int, streams: int) -> dict[str, float]:
    """Measure what open pages cost while monitors check in."""
    async with AsyncExitStack() as stack:
        read = [
            await stack.enter_async_context(stream(f"{server.url}/events?since=0"))
            for _ in range(streams)
        ]
        await asyncio.sleep(3)
        server.measured(check_ins)
        before = sum(map(sum, read))
        began = time.monotonic()
        await asyncio.sleep(LIVE_SECONDS)
        took = time.monotonic() - began
        measured = server.measured()
        sent = sum(map(sum, read)) - before
    return {
        "open_pages": streams,
        "check_ins_per_s": check_ins,
        "cpu_percent": 100 * measured["cpu_s"] / took,
        "hold_ms": measured["longest_ms"],
        "kb_per_s_and_page": sent / 1000 / took / streams if streams else 0.0,
    }


def _print(title: str, rows: dict[str, dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    print(f"\n| {title} | {' | '.join(names)} |")  # noqa: T201 - the table
    print("|---" * (len(names) + 1) + "|")  # noqa: T201
    for name, row in rows.items():
        cells = (f"{row[each]:,.1f}" if each in row else "" for each in names)
        print(f"| {name} | {' | '.join(cells)} |")  # noqa: T201


async def _run(monitors: int) -> bool:
    with serving(monitors) as server:
        single = await pages(server, monitors)
        rate = CHECK_INS_PER_SECOND
        several = {
            f"{rate} check in a second, {streams} pages open": await live(
                server, rate, streams
            )
            for streams in (0, STREAMS)
        }
    _print(f"{monitors:,} monitors", single)
    _print("live", several)
    print(json.dumps({"monitors": monitors, "pages": single, "live": several}))  # noqa: T201
    painted = max(single[name]["paint_ms_most"] for name in PAINTED)
    held = max(row["hold_ms"] for row in (*single.values(), *several.values()))
    return painted < PAINT_LIMIT_MS and held < HOLD_LIMIT_MS


def main() -> int:
    """Read the command line, measure, and tell; fails above a limit."""
    parser = argparse.ArgumentParser(prog="make bench-page", description=__doc__)
    parser.add_argument("--monitors", type=int, default=10_000)
    return 0 if asyncio.run(_run(parser.parse_args().monitors)) else 1


if __name__ == "__main__":
    sys.exit(main())
