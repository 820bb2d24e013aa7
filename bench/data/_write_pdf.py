"""A tree as a PDF file: one or two columns, ligatures, hyphens, running headers, tables, scanned pages."""

import random
import re
from dataclasses import dataclass, field
from io import BytesIO
from itertools import accumulate
from pathlib import Path

import reportlab
from bench.data._tree import Listing, Paragraph, Section, Table, Tree
from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = 595.0, 842.0
MARGIN, GUTTER = 60.0, 18.0
TOP, BOTTOM = HEIGHT - 80.0, 80.0
SERIAL = re.compile(r"sn\d{6}")
LIGATURES = (("fi", "\ufb01"), ("fl", "\ufb02"))


@dataclass(frozen=True, slots=True)
class Look:
    """How a file is set."""

    columns: int
    tables: str
    """`ruled`, `lines` (three level rulings) or `bare`."""
    hyphens: bool
    ligatures: bool
    justified: bool
    furniture: bool
    bookmarks: bool
    scanned: int
    """Scanned pages at the end."""
    size: float


@dataclass(slots=True)
class Printed:
    """What stands where in a file."""

    pages: int = 0
    serials: dict[str, int] = field(default_factory=dict)
    """Serial word -> page, of text that can be read."""
    scanned: dict[str, int] = field(default_factory=dict)
    """Serial word -> page, of text that is only a picture."""


def look_of(dice: random.Random) -> Look:
    """Any look, every choice as likely as the others."""
    return Look(
        columns=dice.choice((1, 1, 2)),
        tables=dice.choice(("ruled", "ruled", "lines", "bare")),
        hyphens=dice.random() < 0.6,
        ligatures=dice.random() < 0.6,
        justified=dice.random() < 0.5,
        furniture=dice.random() < 0.7,
        bookmarks=dice.random() < 0.4,
        scanned=dice.choice((0, 0, 1, 2)),
        size=dice.choice((9.0, 10.0, 11.0)),
    )


def write_pdf(tree: Tree, path: Path, *, look: Look, scans: list[str], dice: random.Random) -> Printed:
    """Write the file; `scans` are the sentences of its scanned pages, evenly spread."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    pdfmetrics.registerFont(TTFont("Body", str(fonts / "Vera.ttf")))
    pdfmetrics.registerFont(TTFont("Strong", str(fonts / "VeraBd.ttf")))
    press = _Press(tree, path, look, dice)
    for section in tree.sections:
        press.section(section)
    for number in range(look.scanned):
        press.scan(scans[number :: look.scanned])
    return press.finish()


class _Press:
    """Sets parts one under the other, column by column and page by page."""

    def __init__(self, tree: Tree, path: Path, look: Look, dice: random.Random) -> None:
        self.look, self.dice, self.title = look, dice, tree.sections[0].title
        self.canvas = Canvas(str(path), pagesize=(WIDTH, HEIGHT), invariant=1)
        self.width = (WIDTH - 2 * MARGIN - GUTTER * (look.columns - 1)) / look.columns
        self.printed = Printed()
        self.column, self.y = 0, TOP
        self._open_page()

    def finish(self) -> Printed:
        self.canvas.showPage()
        self.canvas.save()
        return self.printed

    def section(self, section: Section) -> None:
        size = self.look.size
        if section.level == 1:
            self._spanning_title(section.title)
        else:
            size = size * 1.35 if section.level == 2 else size
            self._space(0.9 * size)
            self._need(4 * self.look.size)
            if self.look.bookmarks:
                self.canvas.bookmarkHorizontal(section.title, 0, self.y)
                self.canvas.addOutlineEntry(section.title, section.title, section.level - 2)
            self._lines(section.title, font="Strong", size=size, hyphens=False)
            self._space(0.3 * self.look.size)
        for part in section.parts:
            if isinstance(part, Paragraph):
                self._lines(" ".join(part.sentences), font="Body", size=self.look.size)
            elif isinstance(part, Listing):
                for item in part.items:
                    self._lines(item, font="Body", size=self.look.size, bullet=True)
            else:
                self._table(part)
            self._space(0.6 * self.look.size)

    def scan(self, sentences: list[str]) -> None:
        self.canvas.showPage()
        self._open_page(furniture=False)
        picture = Image.new("L", (1190, 1684), 255)
        pen = ImageDraw.Draw(picture)
        for number, sentence in enumerate(sentences):
            pen.text((120, 160 + 60 * number), sentence, fill=0)
            self.printed.scanned |= dict.fromkeys(SERIAL.findall(sentence), self.printed.pages)
        held = BytesIO()
        picture.save(held, "PNG")
        held.seek(0)
        self.canvas.drawImage(ImageReader(held), 0, 0, WIDTH, HEIGHT)

    def _open_page(self, *, furniture: bool = True) -> None:
        self.printed.pages += 1
        self.column, self.y = 0, TOP
        if furniture and self.look.furniture:
            self.canvas.setFont("Body", 8)
            self.canvas.drawString(MARGIN, HEIGHT - 45, f"{self.title} Release 4")
            self.canvas.drawRightString(WIDTH - MARGIN, 40, f"Page {self.printed.pages}")

    def _spanning_title(self, title: str) -> None:
        self.canvas.setFont("Strong", 20)
        self.canvas.drawString(MARGIN, self.y - 20, self._glyphs(title))
        self.y -= 40
        self._top_of_columns = self.y

    @property
    def _left(self) -> float:
        return MARGIN + self.column * (self.width + GUTTER)

    def _space(self, points: float) -> None:
        self.y -= points

    def _need(self, points: float) -> None:
        if self.y - points >= BOTTOM:
            return
        self.column += 1
        self.y = self._top_of_columns if self.printed.pages == 1 else TOP
        if self.column == self.look.columns:
            self.canvas.showPage()
            self._open_page()

    def _glyphs(self, text: str) -> str:
        for plain, ligature in LIGATURES if self.look.ligatures else ():
            text = text.replace(plain, ligature)
        return text

    def _lines(self, text: str, *, font: str, size: float, bullet: bool = False, hyphens: bool = True) -> None:
        indent = 12.0 if bullet else 0.0
        lines = self._broken(text.split(), self.width - indent, font, size, hyphens=hyphens and self.look.hyphens)
        for number, line in enumerate(lines):
            self._need(1.25 * size)
            self.y -= 1.25 * size
            if bullet and number == 0:
                self.canvas.setFont(font, size)
                self.canvas.drawString(self._left, self.y, "•")
            is_full = self.look.justified and font == "Body" and number < len(lines) - 1
            self._line(line, self._left + indent, font, size, width=self.width - indent if is_full else None)

    def _line(self, line: str, x: float, font: str, size: float, *, width: float | None) -> None:
        self.printed.serials |= dict.fromkeys(SERIAL.findall(line), self.printed.pages)
        shown = self._glyphs(line)
        room = (width or 0.0) - pdfmetrics.stringWidth(shown, font, size)
        pen = self.canvas.beginText(x, self.y)
        pen.setFont(font, size)
        if width is not None and shown.count(" "):
            pen.setWordSpace(max(0.0, room / shown.count(" ")))
        pen.textOut(shown)
        pen.setWordSpace(0)
        self.canvas.drawText(pen)

    def _broken(self, words: list[str], width: float, font: str, size: float, *, hyphens: bool) -> list[str]:
        lines, line = [], ""
        for word in words:
            wider = f"{line} {word}".strip()
            if pdfmetrics.stringWidth(self._glyphs(wider), font, size) <= width:
                line = wider
                continue
            head = self._head(line, word, width, font, size) if hyphens else ""
            lines.append(f"{line} {head}-" if head else line)
            line = word[len(head) :]
        return [*lines, line]

    def _head(self, line: str, word: str, width: float, font: str, size: float) -> str:
        """What of a word fits onto the line before a hyphen."""
        if not word.isalpha() or len(word) < 7:
            return ""
        for cut in range(len(word) - 3, 2, -1):
            text = f"{line} {word[:cut]}-"
            if pdfmetrics.stringWidth(self._glyphs(text), font, size) <= width:
                return word[:cut]
        return ""

    def _table(self, table: Table) -> None:
        rows = [table.header, *table.rows]
        step = 1.6 * self.look.size
        self._need(step * (len(rows) + 1))
        size, lefts = self._columns(rows)
        top = self.y
        for number, row in enumerate(rows):
            self.y -= step
            self.canvas.setFont("Strong" if number == 0 else "Body", size)
            for x, cell in zip(lefts, row, strict=False):
                self.canvas.drawString(x + 4, self.y + 0.5 * size, self._glyphs(cell))
            self.printed.serials |= dict.fromkeys(SERIAL.findall(" ".join(row)), self.printed.pages)
        self._rule(lefts, top, step, len(rows))
        self.y -= 0.5 * size

    def _columns(self, rows: list[tuple[str, ...]]) -> tuple[float, list[float]]:
        """A font size with which all cells fit, and the left edges of the columns, with the right edge of the last."""
        size = 0.9 * self.look.size
        while True:
            widths = [
                8 + max(pdfmetrics.stringWidth(cell, "Strong", size) for cell in column)
                for column in zip(*rows, strict=True)
            ]
            if sum(widths) <= self.width:
                break
            size -= 0.5
        spare = (self.width - sum(widths)) / len(widths)
        return size, list(accumulate((width + spare for width in widths), initial=self._left))

    def _rule(self, lefts: list[float], top: float, step: float, rows: int) -> None:
        self.canvas.setLineWidth(0.5)
        if self.look.tables == "ruled":
            for number in range(rows + 1):
                self.canvas.line(lefts[0], top - number * step, lefts[-1], top - number * step)
            for x in lefts:
                self.canvas.line(x, top, x, self.y)
        elif self.look.tables == "lines":
            for y in (top, top - step, self.y):
                self.canvas.line(lefts[0], y, lefts[-1], y)
