"""`make screenshots`: takes the pictures in docs/images in the machine's Chromium.

The clock stands still and the monitors are `pages.showcase`, so that a picture changes
only when the page does.
"""

import asyncio
import sys
from pathlib import Path

from support.browser import browser, visiting
from support.pages import serving, showcase

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 150_000

PICTURES = (
    ("overview-light", "/", "light", 1160, 800),
    ("overview-dark", "/", "dark", 1160, 800),
    ("monitor", "/monitors/payments/ledger-backup", "light", 1160, 900),
    ("overview-mobile", "/", "light", 390, 844),
)


async def _take() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    worst = 0
    async with serving(showcase()) as served, browser() as chromium:
        for name, path, scheme, width, height in PICTURES:
            size = {"width": width, "height": height}
            url = served.url + path
            async with visiting(chromium, url, color_scheme=scheme, viewport=size) as (
                page,
                _,
            ):
                await page.locator("#connection.live").wait_for()
                target = IMAGES / f"{name}.png"
                await page.screenshot(path=target)
            worst = max(worst, target.stat().st_size)
            print(f"{target.name}: {target.stat().st_size // 1000} kB")  # noqa: T201
    return worst


def main() -> int:
    """Take all of them; fails when one is too large to keep."""
    return int(asyncio.run(_take()) > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
