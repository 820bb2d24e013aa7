"""Collects the words of a manual page into paragraphs, items and code."""

import re

from luthier.collect.readers.draft import Draft

BULLETS = frozenset({"•", "*", "-", "–", "—", "o", "+", "·", "○"})
NUMBER = re.compile(r"\(?(?:\d{1,3}|[a-z])[.)]")


class ManWriter:
    """Running text, literal lines and tags, in the order of the page."""

    def __init__(self) -> None:
        self.draft = Draft()
        self._running: list[str] = []
        self._literal: list[str] | None = None
        self._tags: list[str] = []
        self._last_mark = ""

    @property
    def is_literal(self) -> bool:
        """True while lines are kept as they are."""
        return self._literal is not None

    def text(self, words: str) -> None:
        """Add a line of text."""
        if self._literal is not None:
            self._literal.append(words)
        elif not words.strip():
            self.end()
        else:
            self._running.append(("\n" if words[0] == " " else "") + words.strip())

    def line_break(self) -> None:
        """The next words begin a new line of the same paragraph."""
        if self._running and self._literal is None:
            self._running.append("\n")

    def end(self) -> None:
        """End the paragraph; among literal lines, leave one blank."""
        if self._literal is not None:
            self._literal.append("")
            return
        lines = " ".join(self._running).split("\n")
        text = "\n".join(folded for line in lines if (folded := " ".join(line.split())))
        self._running.clear()
        if text or self._tags:
            self._write(text)

    def item(self, tag: str, *, has_more: bool = False) -> None:
        """Begin an item; with `has_more`, another tag of the same item."""
        if not has_more:
            self.end()
        tag = " ".join(tag.split())
        if tag:
            self._tags.append(tag)

    def heading(self, words: str, *, level: int) -> None:
        """Write a heading; whatever was open ends."""
        self.fill()
        self.end()
        self._last_mark = ""
        self.draft.heading(words, level=level)

    def keep_lines(self) -> None:
        """Keep the lines from here on as they are."""
        if self._literal is None:
            self.end()
            self._literal = []

    def fill(self) -> None:
        """Fill lines to paragraphs again."""
        if self._literal is None:
            return
        body = "\n".join(self._literal)
        self._literal = None
        if body.strip():
            self.draft.code(body)

    def table(self, rows: list[list[str]], *, at: str) -> None:
        """Write a table whose first row holds the titles."""
        self.fill()
        self.end()
        cells = [[" ".join(cell.split()) for cell in row] for row in rows if any(map(str.strip, row))]
        if len(cells) > 1:
            width = max(map(len, cells))
            self.draft.table(cells[0] + [""] * (width - len(cells[0])), cells[1:], at=at)
        elif cells:
            self.draft.paragraph(" ".join(cells[0]))

    def _write(self, text: str) -> None:
        tags, self._tags = self._tags, []
        if not tags:
            self._last_mark = ""
            self.draft.paragraph(text)
            return
        mark = "- " if tags[0] in BULLETS else f"{tags[0]} " if NUMBER.fullmatch(tags[0]) else ": "
        if mark == ": ":
            self.draft.paragraph("\n".join(tags) + (f"\n: {_hung(text, 2)}" if text else ""))
        else:
            self.draft.paragraph(
                mark + _hung(text, len(mark)), gap="\n" if self._last_mark[:1] == mark[:1] == "-" else "\n\n"
            )
        self._last_mark = mark


def _hung(text: str, indent: int) -> str:
    return text.replace("\n", "\n" + " " * indent)
