"""How quickly the page is there, and the first pictures of a search: `cskt bench serve --part page`.

In a real Chromium, over loopback. What the service says a search took is taken off: the rest is the page.
Then all hits that there can be are loaded and scrolled through, 60 pixels a frame.
"""

import shutil
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.bench_report import Result, measured
from model.errors import ConfigError
from service.serving_process import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Page

GOAL_PAINT_MS, GOAL_PICTURES_MS, GOAL_FRAME_MS = 1000.0, 300.0, 34.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")

_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_SEARCH = """async (words) => {
    const text = document.getElementById("text"), grid = document.getElementById("grid");
    text.value = words;
    const begun = performance.now();
    const shown = new Promise((resolve) => {
        new MutationObserver(async (_, observer) => {
            const images = [...grid.querySelectorAll(".hit img")].slice(0, 8);
            if (!images.length || grid.getAttribute("aria-busy") === "true") return;
            observer.disconnect();
            await Promise.all(images.map((image) => image.decode()));
            requestAnimationFrame(() => resolve(performance.now() - begun));
        }).observe(grid, { childList: true, attributes: true });
    });
    document.getElementById("search").requestSubmit();
    const whole = await shown;
    return [whole, parseFloat(document.querySelector(".took").textContent.slice(3))];
}"""
_ALL_HITS = """async () => {
    const drawn = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    while (!document.getElementById("more").hidden) {
        scrollTo(0, document.body.scrollHeight);
        await drawn();
    }
    scrollTo(0, 0);
    await drawn();
    return document.querySelector("[aria-setsize]").ariaSetSize;
}"""
_SCROLL = """(frames) => new Promise((resolve) => {
    const took = [];
    let before = null;
    const step = (now) => {
        if (before !== null) took.push(now - before);
        before = now;
        if (took.length === frames) return resolve(took);
        scrollBy(0, 60);
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""
_FRAMES = 600


@dataclass
class PageTimes:
    """Milliseconds until something useful is painted; from asking until the first row of pictures is shown,
    and what the service says it took of that; of each frame while so many hits are scrolled through."""

    paint: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    searching: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)
    hits: int = 0


def measure_page(port: int, sentences: "Sequence[str]", visits: int) -> PageTimes:
    """Visits by people who were never there before, then searches. Raises ConfigError without a Chromium."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        raise ConfigError("--part page needs playwright (pip install 'cskt[dev]') and a Chromium.")
    times = PageTimes()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for _ in range(visits):
            times.paint.append(_paint(browser, port))
        page = _visit(browser, port)
        for sentence in sentences:
            whole, searching = page.evaluate(_SEARCH, sentence)
            times.whole.append(whole)
            times.searching.append(searching)
        times.hits = int(page.evaluate(_ALL_HITS))
        times.frames = page.evaluate(_SCROLL, _FRAMES)
        browser.close()
    return times


def _visit(browser: "Browser", port: int) -> "Page":
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"http://{HOST}:{port}/", wait_until="networkidle")
    return page


def _paint(browser: "Browser", port: int) -> float:
    page = _visit(browser, port)
    painted: Any = page.evaluate(_FIRST_PAINT)
    page.context.close()
    return float(painted)


def results_of(times: PageTimes) -> list[Result]:
    """Medians and the worst tenth."""
    beside = [whole - searching for whole, searching in zip(times.whole, times.searching, strict=True)]
    return [
        measured(
            "first useful paint of the page", statistics.median(times.paint), "ms", at_most=GOAL_PAINT_MS
        ),
        measured("the same, slowest visit", max(times.paint), "ms", at_most=GOAL_PAINT_MS),
        measured(
            "first pictures of a search, without the search, p50 (baseline: the search)",
            statistics.median(beside),
            "ms",
            baseline=statistics.median(times.searching),
            at_most=GOAL_PICTURES_MS,
        ),
        measured("the same, p90", statistics.quantiles(beside, n=10)[-1], "ms", at_most=GOAL_PICTURES_MS),
        measured(f"a frame while {times.hits} hits are scrolled, p50", statistics.median(times.frames), "ms"),
        measured("the same, p95", statistics.quantiles(times.frames, n=20)[-1], "ms", at_most=GOAL_FRAME_MS),
    ]
