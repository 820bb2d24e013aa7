"""Manual pages: sections, options, code and tables of man(7) and mdoc(7), as a terminal would show them."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.coverage import count_words
from luthier.collect.readers import manpage
from luthier.collect.reading import SkippedError, Source, UnreadableError
from luthier.records import Document

PAGES = [Path(f"/usr/share/man/{page}.gz") for page in ("man7/signal.7", "man2/open.2", "man1/ssh.1", "man1/ar.1")]


def read(folder: Path, content: str) -> Document:
    path = folder / "page"
    path.write_text(content, encoding="utf-8", newline="")
    (document,) = manpage.read(Source(path=path, name="page.1", encoding="utf-8"))
    return document


MAN = r"""'\" t
.\" A remark.
.de Sp
.if t .sp .5v
.if n .sp
..
.ie n \{\
.ds -- \(em
.ds Aq '
.\}
.el \{\
.ds -- TYPESET
.\}
.de1 OPTION
.TP
\fB\\$1\fR=\\$2 \\*(--
..
.TH PUMP 1 2024-01-02 "pump 1.0" "Pump Manual"
.SH NAME
pump \- moves \fIwater\fP \*(-- it\*(Aqs f\(:ur H\u2\dO
.SH SYNOPSIS
.nf
.B #include <pump.h>
.PP
.BI "int start(int " speed ", char *" name );
.fi
.SH "OPTIONS AND \
MORE"
First line
.B bold words ,
.BR open (2)
and
.IR x .
.br
Second line.
.TP
.BR \-f ", " \-\-force
Do it.
.IP
Really.
.TP
.B \-x
.TQ
.B \-y
Both.
.OPTION size 4
How big.
.IP \(bu 2
one
.IP \(bu
two
.if \n(.g .if !r nosuch .SS Deeper
See
.UR http://x.org
the site
.UE .
.TS
tab(;) allbox;
lb l
l l.
Name;Size
_
A;T{
.B many
words
T};
B;2
.TE
.EX
$ pump \-f \e
    \(aqa\(aq
.EE
"""


def test_man_macros_become_sections_items_code_and_tables(tmp_path: Path) -> None:
    document = read(tmp_path, MAN)
    assert document.text == (
        "# PUMP(1)\n\n## NAME\n\npump - moves water — it's für H2O\n\n## SYNOPSIS\n\n```\n#include <pump.h>\n\n"
        "int start(int speed, char *name);\n```\n\n## OPTIONS AND MORE\n\nFirst line bold words , open(2) and x.\n"
        "Second line.\n\n-f, --force\n: Do it.\n\nReally.\n\n-x\n-y\n: Both.\n\n"
        "size=4 —\n: How big.\n\n- one\n- two\n\n### Deeper\n\nSee the site <http://x.org>.\n\n"
        "| Name | Size |\n| --- | --- |\n| A | many words |\n"
        "| B | 2 |\n\n```\n$ pump -f \\\n    'a'\n```"
    )
    assert document.title == "PUMP(1)"
    assert document.meta == {"section": "1", "date": "2024-01-02", "source": "pump 1.0", "manual": "Pump Manual"}
    assert [(level, name) for _, level, name in document.headings][-1] == (3, "Deeper")
    assert (document.grids[0].at, document.grids[0].rows) == ("page.1, table 1", (("A", "many words"), ("B", "2")))
    assert len(document.code) == 2


MDOC = r"""
.Dd January 2, 2024
.Dt PUMP 1
.Os
.Sh NAME
.Nm pump
.Nd moves water
.Sh SYNOPSIS
.Nm
.Op Fl fx
.Op Fl D Oo Ar bind : Oc Ns Ar port
.Ar file ...
.In pump.h
.Ft int
.Fo start
.Fa "int speed"
.Fa "char *name"
.Fc
.Sh OPTIONS
The
.Nm
utility
.Pq see Xr open 2 ,
.Dq quoted .
.Bl -tag -width Ds
.It Fl f , Fl -force
Do it.
.Pp
Really.
.It Xo
.Fl w Ar tun Ns Op : Ns Ar other
.Xc
Wide.
.El
.Bl -bullet -compact
.It
one
.It
two
.El
.Bl -enum
.It
first
.El
.Bl -column "aaaa" "bbbb"
.It Sy Name Ta Sy Size
.It A Ta 1
.El
.Bd -literal -offset indent
$ pump
    -f
.Ed
.Dl pump -x
.Sm off
.Ar a : b
.Sm on
end
.Rs
.%A Ada
.%T Pumps
.Re
.Ex -std
"""


def test_mdoc_macros_become_sections_items_code_and_tables(tmp_path: Path) -> None:
    document = read(tmp_path, MDOC)
    assert document.text == (
        "# pump(1)\n\n## NAME\n\npump — moves water\n\n## SYNOPSIS\n\npump [-fx] [-D [bind:]port] file ...\n"
        "#include <pump.h>\nint\nstart(int speed, char *name)\n\n## OPTIONS\n\n"
        "The pump utility (see open(2)), “quoted”.\n\n-f, --force\n: Do it.\n\nReally.\n\n-w tun[:other]\n: Wide.\n\n"
        "- one\n- two\n\n1. first\n\n| Name | Size |\n| --- | --- |\n| A | 1 |\n\n```\n$ pump\n    -f\n```\n\n"
        "```\npump -x\n```\n\na:b end Ada, Pumps. The pump utility exits 0 on success, and >0 if an error occurs."
    )
    assert (document.title, document.meta) == ("pump(1)", {"date": "January 2, 2024"})
    assert [name for _, _, name in document.headings] == ["pump(1)", "NAME", "SYNOPSIS", "OPTIONS"]


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (".so man1/ls.1\n", SkippedError, "only points to man1/ls.1"),
        ('.\\" remark\n.so man3/x.3\n', SkippedError, "only points to man3/x.3"),
        ("just words\n", UnreadableError, "no macros of manual pages"),
        (".de A\n.A\n.A\n..\n.TH X 1\n.A\n", UnreadableError, "calls itself without end"),
    ],
)
def test_what_is_no_page_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, kind: type[Exception], problem: str
) -> None:
    monkeypatch.setattr("luthier.collect.readers.roff.MOST_LINES", 1_000)
    with pytest.raises(kind, match=problem):
        read(tmp_path, content)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_real_pages_hold_the_words_that_groff_prints(tmp_path: Path, page: Path) -> None:
    if not page.exists() or shutil.which("groff") is None:
        pytest.skip("this machine has no groff or lacks the page")
    raw = gzip.decompress(page.read_bytes())
    document = read(tmp_path, raw.decode("utf-8"))
    macros = "-mdoc" if re.search(rb"^\.Dd", raw, re.MULTILINE) else "-man"
    command = ["groff", "-t", "-Tutf8", "-P-cbou", "-Kutf-8", "-rLL=30000n", "-rHY=0", macros]
    printed = subprocess.run(command, input=raw, capture_output=True, check=True).stdout.decode("utf-8")
    lines = [line for line in printed.replace("‐", "-").split("\n") if line.strip()][1:-1]
    wanted = count_words(re.sub(r"[\u2500-\u257f_]", " ", "\n".join(lines)))
    lost = wanted - count_words(document.text.replace("_", " "))
    assert lost.total() <= 0.005 * wanted.total(), lost


PIECES = [".TP", ".B a b", ".IP x", ".nf", ".fi", ".SH A", ".SH", ".RS", ".RE", ".TS", "l.", ".TE", ".if n \\{", ".\\}"]
OTHERS = [
    ".de Q",
    "..",
    ".Q",
    ".ds x y",
    "\\*x word",
    "\\fBbold\\fR",
    "a\\(bub",
    ".El",
    ".It x",
    ".EQ",
    ".EN",
    "\\",
    "'br",
    "",
]


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([*PIECES, *OTHERS, "word", "  word"]), max_size=20), st.sampled_from([".TH X 1", ".Dd x"])
)
def test_any_order_of_macros_is_read(tmp_path_factory: pytest.TempPathFactory, lines: list[str], head: str) -> None:
    document = read(tmp_path_factory.getbasetemp(), "\n".join([head, *lines]))
    assert all(document.text[offset] == "#" for offset, _, _ in document.headings)
    assert all(start < end for start, end in document.code)
