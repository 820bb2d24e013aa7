"""The page in a real browser: nothing is asked for, nothing complains, plots can be seen at desk and phone width."""

import shutil

import pytest

from luthier.evaluate.report.learnt import Learnt
from luthier.evaluate.report.page import render_page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CURVE = [{"step": step, "loss": 1 / step, "validation_loss": 1.1 / step} for step in range(1, 20)]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (375, "dark")])
def test_the_page_stays_in_its_file_and_shows_its_plots(trial, tmp_path, width, scheme):
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "report.html"
    made = trial(0.2, 0.8)
    path.write_bytes(render_page(made.record, made.observed, learnt=Learnt(CURVE)))
    asked, complaints = [], []
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        boxes = [plot.bounding_box() for plot in page.query_selector_all("section > svg.plot")]
        across = page.evaluate("document.documentElement.scrollWidth")
        styled = page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight")
        browser.close()
    assert asked == [path.as_uri()]
    assert complaints == []
    assert len(boxes) == 6
    assert all(box is not None and box["width"] > 250 and box["height"] > 30 for box in boxes)
    assert across <= width
    assert int(styled) >= 700
