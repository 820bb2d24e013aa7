"""The page for people who cannot see it, or see it on a phone: structure and contrast, without a browser."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest

from luthier.evaluate.report.card import card
from luthier.evaluate.report.learnt import Learnt
from luthier.evaluate.report.page import render_page

CURVE = [{"step": step, "loss": 1 / step, "validation_loss": 1.1 / step} for step in range(1, 20)]
RIVALS = {"few-shot": 0.3, "retrieval": 0.9, "tuned + retrieval": 0.95, "open-book": 0.97}
READ = 4.5
"""Least contrast of text (WCAG 2.2, 1.4.3)."""


class Outline(HTMLParser):
    """What a page is made of: headings, plots, tables and their cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.language = ""
        self.plots: list[set[str]] = []
        self.tables: list[list[tuple[str, dict[str, str | None]]]] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "html":
            self.language = given["lang"] or ""
        if tag == "svg" and "role" in given:
            self.plots.append(set())
        if tag in {"title", "desc"} and "svg" in self._open:
            self.plots[-1].add(tag)
        if tag == "table":
            self.tables.append([])
        if tag in {"th", "td", "caption"}:
            self.tables[-1].append((tag, given))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture
def page(trial):
    return render_page((made := trial(0.2, 0.6, rivals=RIVALS)).record, made.observed, learnt=Learnt(CURVE)).decode()


def test_headings_plots_and_tables_are_told_to_those_who_cannot_see(page):
    outline = Outline(page)
    assert outline.language == "en"
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(outline.headings))
    assert len(outline.plots) > 6
    assert all(told == {"title", "desc"} for told in outline.plots)
    assert len(outline.tables) >= 6
    for table in outline.tables:
        assert table[0][0] == "caption"
        heads = [given.get("scope") for tag, given in table if tag == "th"]
        assert set(heads) == {"col", "row"}
        columns = heads.count("col")
        assert len(table) == 1 + columns + columns * heads.count("row")
        assert all("data-name" in given for tag, given in table if tag == "td")


def test_every_section_is_in_its_order(page):
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    wanted = [
        "The gain",
        "What this exam could have seen",
        "Other ways to do this work",
        "The conditions for shipping",
        "What the base could do before",
        "How it learnt",
        "What an answer costs",
        "By expected answer",
        "Items won and lost",
        "How this was found",
    ]
    assert [title for title in titles if title in wanted] == wanted
    assert page.index("Retrieval would serve this better") < page.index("On 200 sealed items")


def test_a_private_page_shows_no_text_of_the_customer(trial):
    made = trial(0.2, 0.6)
    page = render_page(made.record, made.observed, texts=False).decode()
    told = {item.golds[0] for item in made.observed.items} | {"I don&#39;t know", "Chapter of diagnosis"}
    assert not [text for text in told if text in page]
    assert made.record["items"]["id"][0] in page or made.record["items"]["id"][1] in page


def colours(scheme):
    """Name -> linear light of the palette's colours."""
    style = files("luthier.artifacts").joinpath("page.css").read_text(encoding="utf-8")
    root = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    return dict(re.findall(r"--(\w+): (#\w{6})", root))


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_from_what_it_stands_on(scheme):
    palette = colours(scheme)
    for text in ("ink", "soft", "good", "bad", "open"):
        for ground in ("paper", "card"):
            dark, light = sorted((luminance(palette[text]), luminance(palette[ground])))
            assert (light + 0.05) / (dark + 0.05) >= READ, (text, ground)


def test_the_card_holds_what_a_reader_must_know(trial):
    made = trial(0.2, 0.6, rivals=RIVALS)
    told = card(made.record)
    for heading in ("## Evaluation", "### What it was compared with", "### Limits", "### Costs", "### How to verify"):
        assert f"{heading}\n" in told
    assert "> Retrieval would serve this better" in told
    assert told.count("\n| ") == 1 + 6 + 1 + 6
    assert all(reason in told for reason in made.record["verdict"]["reasons"])
    assert "no interval" in card(trial(0.0, 1.0, documents=1, per_document=3).record)
