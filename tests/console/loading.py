"""What the first visit to a page loads, as a browser counts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext

_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted += each.value;
}).observe({ type: "layout-shift", buffered: true });
"""
_PAINTED = """
() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return { paint: paint ? paint.startTime : null, shifted: window.shifted };
}
"""


@dataclass(frozen=True)
class Loaded:
    """A first visit."""

    requests: int
    sent_bytes: int
    """Of all answers, as they went over the wire, with their headers."""
    paint_ms: float
    """Until something stood there."""
    shifted: float
    """The sum of all layout shifts: 0 where nothing moved."""


def first_visit(context: BrowserContext, path: str) -> Loaded:
    """Come to a page with nothing kept from before, and wait until it is quiet."""
    page = context.new_page()
    page.add_init_script(_SHIFTS)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[int] = []

    def finished(answer: Mapping[str, Any]) -> None:
        sizes.append(int(answer["encodedDataLength"]))

    session.on("Network.loadingFinished", finished)
    page.goto(path, wait_until="networkidle")
    page.wait_for_timeout(300)
    seen = page.evaluate(_PAINTED)
    page.close()
    return Loaded(len(sizes), sum(sizes), seen["paint"], seen["shifted"])
