"""The machine's Chromium, driven by Playwright; no browser is ever downloaded.

Without a Chromium its tests skip and say so.
"""

import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Return the program; skips where there is none."""
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip(f"no Chromium is installed (looked for {', '.join(_NAMES)})")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Run Chromium without a window."""
    program = chromium()
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program)
        try:
            yield started
        finally:
            await started.close()


@dataclass
class Watched:
    """What a page did besides showing itself."""

    asked: list[str] = field(default_factory=list)
    """URLs of all requests."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, violations of policies included."""

    def outside(self, url: str) -> list[str]:
        """Return the requests that went anywhere else."""
        return [each for each in self.asked if not each.startswith(f"{url}/")]


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, **options: Any
) -> AsyncIterator[tuple[Page, Watched]]:
    """Open a page in a context of its own."""
    context = await browser.new_context(**options)
    try:
        page = await context.new_page()
        watched = Watched()
        page.on("request", lambda request: watched.asked.append(request.url))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("console", lambda told: _listen(watched, told.type, told.text))
        await page.goto(url)
        yield page, watched
    finally:
        await context.close()


def _listen(watched: Watched, kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        watched.complaints.append(text)


def sentences(violations: Iterable[dict[str, Any]]) -> list[str]:
    """Write what axe found so that a failing test can be read."""
    return [
        f"{each['id']} ({each['impact']}): {node['target']}: {node['failureSummary']}"
        for each in violations
        for node in each["nodes"]
    ]
