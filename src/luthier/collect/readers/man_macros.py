"""The macros of man(7) and their extensions: what each does to the page."""

from collections.abc import Callable, Sequence

from luthier.collect.readers.man_writer import ManWriter
from luthier.collect.readers.roff import Request
from luthier.collect.readers.roff_escapes import plain
from luthier.collect.readers.roff_tables import plain_rows

JOINED = frozenset({"BR", "RB", "BI", "IB", "IR", "RI"})
SPACED = frozenset({"B", "I", "R", "SM", "SB", "CW", "L"})
PARAGRAPHS = frozenset({"PP", "P", "LP", "HP", "sp", "Sp", "bp"})
KEEPING = frozenset({"nf", "EX", "Vb"})
FILLING = frozenset({"fi", "EE", "Ve"})
KNOWN = (
    JOINED
    | SPACED
    | PARAGRAPHS
    | KEEPING
    | FILLING
    | frozenset({"TH", "SH", "SS", "TP", "TQ", "IP", "RS", "RE", "UR", "UE", "MT", "ME", "SY", "YS", "OP", "br"})
)


class ManPage:
    """Reads requests of a page in man(7) macros into a writer."""

    def __init__(self, writer: ManWriter, *, file: str) -> None:
        self.title = ""
        self.meta: dict[str, str] = {}
        self._writer = writer
        self._file = file
        self._tables = 0
        self._awaited: Callable[[str], None] | None = None
        """Takes the next line of text: the tag of an item, the words of a heading."""
        self._table: list[str] | None = None
        self._equation = False
        self._link = ""

    def text(self, line: str) -> None:
        """A line of text."""
        if self._table is not None:
            self._table.append(line)
        elif self._equation:
            self._writer.draft.cut["equations"] += len(line)
        elif self._awaited is not None and plain(line).strip():
            take, self._awaited = self._awaited, None
            take(plain(line))
        else:
            self._writer.text(plain(line))

    def request(self, request: Request) -> None:
        """A macro or a request of roff; what is not known prints nothing."""
        name, arguments = request.name, request.arguments
        if self._table is not None and name != "TE":
            self._table.append(f".{name} {request.rest}")
        elif name in {"TS", "TE"}:
            self._begin_or_end_table(name)
        elif name in {"EQ", "EN"}:
            self._equation = name == "EQ"
        elif name in SPACED or name in JOINED:
            if arguments:
                self.text((" " if name in SPACED else "").join(arguments))
        elif name in PARAGRAPHS:
            self._awaited = None
            self._writer.end()
        elif name == "br":
            self._writer.line_break()
        elif name in KEEPING:
            self._writer.keep_lines()
        elif name in FILLING:
            self._writer.fill()
        else:
            self._structure(name, arguments)

    def close(self) -> None:
        """The page ends: a table that was left open is written."""
        if self._table is not None:
            self._begin_or_end_table("TE")

    def _structure(self, name: str, arguments: Sequence[str]) -> None:
        words = " ".join(arguments)
        if name == "TH":
            self._head(arguments)
        elif name in {"SH", "SS"}:
            level = 2 if name == "SH" else 3
            self._awaited = None
            if words:
                self._writer.heading(plain(words), level=level)
            else:
                self._awaited = lambda line: self._writer.heading(line, level=level)
        elif name in {"TP", "TQ"}:
            if name == "TP":
                self._writer.item("")
            self._awaited = lambda line: self._writer.item(line, has_more=True)
        elif name == "IP":
            self._awaited = None
            self._writer.item(plain(arguments[0]) if arguments else "")
        elif name in {"RS", "RE"}:
            self._writer.end()
        elif name in {"UR", "MT", "URL", "MTO", "UE", "ME"}:
            self._address(name, arguments)
        elif name == "SY":
            self._writer.line_break()
            self.text(words)
        elif name == "OP":
            self.text(f"[{words}]")

    def _head(self, arguments: Sequence[str]) -> None:
        name, section, date, source, manual = [*map(plain, arguments), "", "", "", "", ""][:5]
        self.title = f"{name}({section})" if section else name
        found = {"section": section, "date": date, "source": source, "manual": manual}
        self.meta = {key: " ".join(value.split()) for key, value in found.items() if value.strip()}
        self._writer.heading(self.title, level=1)

    def _address(self, name: str, arguments: Sequence[str]) -> None:
        if name in {"UR", "MT"}:
            self._link = arguments[0] if arguments else ""
        elif name in {"URL", "MTO"}:
            address, words, after = [*arguments, "", "", ""][:3]
            self.text(f"{words} <{address}>{after}".strip() if words else f"{address}{after}")
        else:
            self.text((f"<{self._link}>" if self._link else "") + "".join(arguments))
            self._link = ""

    def _begin_or_end_table(self, name: str) -> None:
        if name == "TS":
            self._table = []
        elif self._table is not None:
            self._tables += 1
            self._writer.table(plain_rows(self._table), at=f"{self._file}, table {self._tables}")
            self._table = None
