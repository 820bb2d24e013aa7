"""The macros of mdoc(7): what each does to the page."""

from collections.abc import Sequence

from luthier.collect.readers.man_writer import ManWriter
from luthier.collect.readers.mdoc_words import CALLABLE, MdocWords
from luthier.collect.readers.roff import Request
from luthier.collect.readers.roff_escapes import plain
from luthier.collect.readers.roff_tables import plain_rows

MARKED = {"-bullet": "•", "-dash": "-", "-hyphen": "-"}
OPENS_A_LINE = frozenset({"Nm", "Fn", "Ft", "Fo", "In", "Vt", "Cd"})
"""Macros that begin a line in the synopsis."""
STANDARD = {
    "Ex": "The {0} utility exits 0 on success, and >0 if an error occurs.",
    "Rv": (
        "The {0}() function returns the value 0 if successful; otherwise the value -1 is returned and the global "
        "variable errno is set to indicate the error."
    ),
}


class MdocPage:
    """Reads requests of a page in mdoc(7) macros into a writer."""

    def __init__(self, writer: ManWriter, *, file: str) -> None:
        self.title = ""
        self.meta: dict[str, str] = {}
        self._writer = writer
        self._file = file
        self._words = MdocWords()
        self._section = ""
        self._lists: list[str] = []
        self._numbers: list[int] = []
        self._rows: list[list[str]] = []
        self._tables = 0
        self._table: list[str] | None = None
        self._is_head = False
        """True while the head of an item goes on over lines."""
        self._parameters: list[str] | None = None
        """Arguments of a function that is declared over lines; its name is the first."""
        self._reference: list[str] | None = None

    def text(self, line: str) -> None:
        """A line of text."""
        if self._table is not None:
            self._table.append(line)
        elif self._writer.is_literal:
            self._writer.text(plain(line))
        elif not line.strip():
            self._end()
        else:
            self._words.text(line)

    def request(self, request: Request) -> None:
        """A macro or a request of roff; what is not known prints nothing."""
        name, arguments = request.name, request.arguments
        if self._table is not None and name != "TE":
            self._table.append(f".{name} {request.rest}")
        elif name in {"TS", "TE"}:
            self._begin_or_end_table(name)
        elif self._parameters is not None and name in {"Fa", "Fc"}:
            self._declare(name, arguments)
        elif self._reference is not None and name.startswith("%"):
            self._reference.append(" ".join(map(plain, arguments)))
        elif name in {"Sh", "Ss", "Pp", "Lp", "sp", "br", "Nd"}:
            self._structure(name, arguments)
        elif name in {"Bl", "It", "El"}:
            self._list(name, arguments)
        elif name in {"Bd", "Ed", "Dl", "D1", "nf", "fi"}:
            self._display(name, arguments)
        elif name in {"Dd", "Dt", "Sm", "Fo", "Rs", "Re", "Ex", "Rv"}:
            self._rare(name, arguments)
        elif name in CALLABLE:
            self._inline(name, arguments)

    def _inline(self, name: str, arguments: Sequence[str]) -> None:
        if name == "Nm" and arguments and not self._words.name:
            self._words.name = plain(arguments[0])
        if name == "An" and arguments[:1] in {("-nosplit",), ("-split",)}:
            return
        if self._section == "SYNOPSIS" and name in OPENS_A_LINE and not self._lists:
            self._flush()
            self._writer.line_break()
            if name == "In":
                self._words.text("#include")
        self._words.line(name, arguments)
        if self._writer.is_literal:
            self._writer.text(self._words.take())
        elif self._is_head and not self._words.open_heads:
            self._is_head = False
            self._writer.item(self._words.take())

    def _structure(self, name: str, arguments: Sequence[str]) -> None:
        if name in {"Sh", "Ss"}:
            self._end()
            self._words.line("No", arguments)
            heading = self._words.take()
            self._section = heading if name == "Sh" else self._section
            self._writer.heading(heading, level=2 if name == "Sh" else 3)
        elif name == "Nd":
            self._words.text("—")
            self._words.line("No", arguments)
        elif name == "br":
            self._flush()
            self._writer.line_break()
        else:
            self._end()

    def _list(self, name: str, arguments: Sequence[str]) -> None:
        kind = self._lists[-1] if self._lists else ""
        if name == "It" and kind:
            self._item(kind, arguments)
            return
        self._end()
        if name == "Bl":
            kinds = [
                word for word in arguments if word.startswith("-") and word not in {"-compact", "-width", "-offset"}
            ]
            self._lists.append(kinds[0] if kinds else "-item")
            self._numbers.append(0)
        elif kind:
            self._lists.pop()
            self._numbers.pop()
            if kind == "-column":
                self._tables += 1
                self._writer.table(self._rows, at=f"{self._file}, table {self._tables}")
                self._rows = []

    def _item(self, kind: str, arguments: Sequence[str]) -> None:
        self._flush()
        if kind == "-column":
            self._words.line("No", arguments)
            self._rows.append(self._words.take().split("\t"))
        elif kind == "-item":
            self._writer.end()
        elif kind in MARKED:
            self._writer.item(MARKED[kind])
        elif kind == "-enum":
            self._numbers[-1] += 1
            self._writer.draft.inserted.append(str(self._numbers[-1]))
            self._writer.item(f"{self._numbers[-1]}.")
        else:
            self._words.line("No", arguments)
            self._is_head = self._words.open_heads > 0
            if not self._is_head:
                self._writer.item(self._words.take())

    def _display(self, name: str, arguments: Sequence[str]) -> None:
        self._end()
        is_kept = name == "nf" or bool({"-literal", "-unfilled"} & set(arguments))
        if name in {"Dl", "D1"}:
            self._words.line("No", arguments)
            self._writer.keep_lines()
            self._writer.text(self._words.take())
            self._writer.fill()
        elif name in {"Bd", "nf"} and is_kept:
            self._writer.keep_lines()
        else:
            self._writer.fill()

    def _rare(self, name: str, arguments: Sequence[str]) -> None:
        words = [plain(word) for word in arguments]
        if name == "Dt":
            self.title = f"{words[0].lower()}({words[1]})" if len(words) > 1 else " ".join(words)
            self._writer.heading(self.title, level=1)
        elif name == "Dd":
            self.meta["date"] = " ".join(words).removeprefix("$Mdocdate: ").removesuffix(" $")
        elif name == "Sm":
            self._words.set_spaced(words != ["off"])
        elif name == "Fo":
            self._parameters = words[:1]
        elif name == "Rs":
            self._reference = []
        elif name == "Re" and self._reference is not None:
            self._words.text(", ".join(self._reference) + ".")
            self._reference = None
        elif name in STANDARD:
            names = [word for word in words if not word.startswith("-")] or [self._words.name]
            self._words.text(STANDARD[name].format(", ".join(names)))

    def _declare(self, name: str, arguments: Sequence[str]) -> None:
        """A function over lines: `.Fo name`, one `.Fa` for each argument, `.Fc`."""
        assert self._parameters is not None
        if name == "Fa":
            self._parameters += map(plain, arguments)
            return
        function, *parameters = self._parameters or [""]
        self._parameters = None
        self._inline("Fn", [function, *parameters, *arguments])

    def _begin_or_end_table(self, name: str) -> None:
        self._end()
        if name == "TS":
            self._table = []
        elif self._table is not None:
            self._tables += 1
            self._writer.table(plain_rows(self._table), at=f"{self._file}, table {self._tables}")
            self._table = None

    def _flush(self) -> None:
        words = self._words.take()
        if not words.strip():
            return
        if self._lists and self._lists[-1] == "-column" and self._rows:
            self._rows[-1][-1] += f" {words}"
        else:
            self._writer.text(words)

    def _end(self) -> None:
        self._flush()
        self._writer.end()

    def close(self) -> None:
        """The page ends: what is still open is written."""
        self._end()
