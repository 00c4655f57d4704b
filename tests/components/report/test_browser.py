"""A report and a sweep in a real browser: on a telephone and a desk, by day and night, on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from components.report.render import render_report
from components.report.sweep import render_sweep
from tests.components.report.browser import Browser
from tests.components.report.test_render import full, inputs
from tests.components.report.test_sweep import INPUTS

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_CHROMIUM is None, reason="needs a browser: Debian's package chromium"),
]

_WIDTHS = (400, 1280)
_OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1
    && !each.closest(".scroll, pre, svg"))
  .map(each => each.tagName + "." + each.className + ": " + each.textContent.slice(0, 40))
"""
_COLOURS = "(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert _CHROMIUM is not None
    with Browser(_CHROMIUM, tmp_path_factory.mktemp("profile")) as started:
        yield started


_PAGES = {
    "promoted": lambda: render_report(inputs()),
    # All that there can be, with long names in it.
    "full": lambda: render_report(full()),
    "sweep": lambda: render_sweep(INPUTS),
}


@pytest.fixture(scope="module", params=_PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(_PAGES[request.param]())
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", _WIDTHS)
def test_it_fits_fetches_nothing_and_has_no_fault(
    browser: Browser, page: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    assert browser.show(page, width, scheme) == []
    assert browser.evaluate("innerWidth") == width
    overflowing = browser.evaluate(_OVERFLOWING)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, overflowing
    assert overflowing == []


def test_at_night_it_is_light_on_dark(browser: Browser, page: Path) -> None:
    def brightness(colour: str) -> int:
        return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))

    browser.show(page, 1280, "light")
    paper, ink = map(brightness, browser.evaluate(_COLOURS))
    browser.show(page, 1280, "dark")
    night, light = map(brightness, browser.evaluate(_COLOURS))
    assert paper > ink
    assert night < light
    assert night < 150 < 600 < paper


def test_it_can_be_printed(browser: Browser, page: Path) -> None:
    browser.show(page, 1280)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 1
