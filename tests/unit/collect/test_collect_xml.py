"""XML: DocBook and JATS keep their structure, other schemas their text; nothing is fetched and nothing expanded."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.readers import xml_prose
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document


def read(folder: Path, content: str | bytes) -> Document:
    path = folder / "text.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    (document,) = xml_prose.read(Source(path=path, name="text.xml", encoding="utf-8"))
    return document


DOCBOOK = """<?xml version="1.0"?>
<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "http://127.0.0.1:9/docbookx.dtd">
<book xmlns="http://docbook.org/ns/docbook"><bookinfo><title>The Manual &mdash; 1</title>
<author><firstname>Ada</firstname><surname>L</surname></author><pubdate>2024</pubdate></bookinfo>
<chapter><title>Cooling</title><para>Use <command>run</command> at 10<superscript>6</superscript>
H<subscript>2</subscript>O<indexterm><primary>gone</primary></indexterm>.<footnote><para>Or not.</para></footnote> See:
<programlisting language="c">int a;
  b();</programlisting> and go.</para>
<orderedlist><listitem><para>one</para></listitem><listitem><para>two</para><para>more</para></listitem></orderedlist>
<variablelist><varlistentry><term>-f</term><term>--force</term><listitem><para>Do it.</para></listitem></varlistentry>
</variablelist><section><title>Deep</title><note><title>Mind</title><simpara>end</simpara></note></section>
</chapter></book>"""


def test_docbook_keeps_its_structure(tmp_path: Path) -> None:
    document = read(tmp_path, DOCBOOK)
    assert document.text == (
        "# The Manual — 1\n\nAda L\n\n2024\n\n## Cooling\n\nUse run at 10^6 H2O. See:\n\n```c\nint a;\n  b();\n```\n\n"
        "and go.\n\nOr not.\n\n1. one\n2. two\n\n   more\n\n-f\n--force\n: Do it.\n\n### Deep\n\nMind\n\nend"
    )
    assert (document.title, document.meta) == ("The Manual — 1", {"date": "2024"})
    assert document.headings[1][1:] == (2, "Cooling")
    assert document.text[document.headings[1][0] :].startswith("## Cooling")
    assert document.text[slice(*document.code[0])].startswith("```c\nint a;")
    assert document.cut == {"index terms and remarks": 4}
    assert document.pages[0].coverage == 1.0


TABLE = """<article><table><title>Loads</title><tgroup cols="3"><colspec colname="a"/><colspec colname="b"/>
<colspec colname="c"/><thead><row><entry>P</entry><entry>Q</entry><entry>R</entry></row></thead><tbody>
<row><entry morerows="1">1</entry><entry>2</entry><entry>x | y</entry></row><row><entry>3</entry><entry/></row>
<row><entry namest="b" nameend="c">w</entry></row></tbody></tgroup></table></article>"""


def test_tables_have_their_spans_filled(tmp_path: Path) -> None:
    document = read(tmp_path, TABLE)
    (grid,) = document.grids
    assert (grid.at, grid.header) == ("text.xml, table 1", ("P", "Q", "R"))
    assert grid.rows == ((1, "2", "x | y"), (1, "3", None), (None, "w", "w"))
    assert document.text.startswith("Loads\n\n| P | Q | R |")
    assert document.pages[0].state == "read"


JATS = """<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) v1.2//EN" "JATS-archivearticle1.dtd">
<article><front><journal-meta><journal-title>Water</journal-title></journal-meta><article-meta>
<article-id>10.1/x</article-id><title-group><article-title>On <italic>pumps</italic></article-title></title-group>
<abstract><title>Abstract</title><p>Short.</p></abstract></article-meta></front>
<body><sec><title>1. Method</title><p>We saw<xref>[1]</xref> it.</p>
<list list-type="bullet"><list-item><p>a</p></list-item></list>
<table-wrap><label>Table 1</label><caption><p>Loads</p></caption><table><tr><th>a</th><th>b</th></tr>
<tr><td colspan="2">1</td></tr></table></table-wrap><sec><title>1.1 Deep</title><p>d &amp; e</p></sec></sec></body>
<back><ref-list><title>References</title><ref><label>1</label><mixed-citation><name><surname>Lo</surname>
<given-names>A</given-names></name>, <year>2020</year>.</mixed-citation></ref></ref-list></back></article>"""


def test_jats_keeps_its_structure(tmp_path: Path) -> None:
    document = read(tmp_path, JATS)
    assert (document.title, document.meta) == ("On pumps", {"journal": "Water", "id": "10.1/x"})
    assert [(level, name) for _, level, name in document.headings] == [
        (1, "On pumps"),
        (2, "Abstract"),
        (2, "1. Method"),
        (3, "1.1 Deep"),
        (2, "References"),
    ]
    assert "We saw[1] it.\n\n- a\n\nTable 1\n\nLoads\n\n| a | b |\n| --- | --- |\n| 1 | 1 |" in document.text
    assert document.text.endswith("1 Lo A, 2020.")
    assert document.pages[0].state == "read"


def test_an_unknown_schema_gives_its_text_in_order(tmp_path: Path) -> None:
    document = read(
        tmp_path, "<parts><part id='1'><name>Pump</name><mass>7</mass></part><text>One <b>bold</b> word.</text></parts>"
    )
    assert document.text == "Pump\n7\n\nOne bold word."
    assert document.title == "text"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "declares entities, which are never expanded"),
        (OUTSIDE, "declares entities, which are never expanded"),
        ('<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><a/>', "declares entities"),
        ("<a>&nosuch;</a>", "not readable as XML: undefined entity"),
        ("<a><b></a>", "not readable as XML: mismatched tag"),
        ("<a>" * 300 + "</a>" * 300, "nested more than 200 levels"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not readable as XML"),
    ],
)
def test_hostile_and_damaged_files_are_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        read(tmp_path, content)


def test_the_declared_encoding_counts(tmp_path: Path) -> None:
    assert read(tmp_path, '<?xml version="1.0" encoding="latin-1"?><a>é</a>'.encode("latin-1")).text == "é"
    assert read(tmp_path, '<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16")).text == "é"


WORDS = st.text("abc ", max_size=6)
NAMES = [
    "para",
    "section",
    "title",
    "table",
    "row",
    "entry",
    "itemizedlist",
    "footnote",
    "emphasis",
    "term",
    "x",
    "ref",
]
TREES = st.recursive(
    WORDS,
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>",
        st.sampled_from([*NAMES, "listitem", "variablelist", "varlistentry", "table-wrap", "programlisting"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(TREES)
def test_no_letter_is_lost_whatever_the_order_of_elements(tmp_path_factory: pytest.TempPathFactory, tree: str) -> None:
    document = read(tmp_path_factory.getbasetemp(), f"<article>{tree}</article>")
    wanted = re.sub(r"<[^>]*>", "", tree)
    assert all(document.text.count(letter) >= wanted.count(letter) for letter in "abc")
