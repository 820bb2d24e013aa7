"""Books: the spine's chapters in order, with their titles; sealed and broken books say why."""

import zipfile
from pathlib import Path

import pytest

from luthier.collect.readers.epub import read
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

CONTAINER = "<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>"
OPF = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>Pump book</dc:title></metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="one" href="text/one%20a.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine toc="ncx"><itemref idref="nav"/><itemref idref="two"/><itemref idref="one"/></spine></package>"""
NCX = """<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx.dtd">
<ncx><navMap><navPoint><navLabel><text>Old title</text></navLabel><content src="text/two.xhtml#x"/></navPoint></navMap>
</ncx>"""
PAGE = "<?xml version='1.0'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'><body>{}</body></html>"
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": OPF,
    "OEBPS/toc.ncx": NCX,
    "OEBPS/nav.xhtml": PAGE.format("<nav><a href='text/one%20a.xhtml'>First</a></nav>"),
    "OEBPS/text/one a.xhtml": PAGE.format("<p>Water cools.</p><pre>x = 1</pre>"),
    "OEBPS/text/two.xhtml": PAGE.format(
        "<h1>Second</h1><p>Text<a href='#n'>1</a>.</p><aside xmlns:epub='http://www.idpf.org/2007/ops' "
        "epub:type='footnote' id='n'>A note.</aside>"
    ),
}


def book(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    path = folder / "book.epub"
    members = BOOK | (changes or {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in members.items():
            if text is not None:
                package.writestr(name, text)
    return path


def document_of(path: Path) -> Document:
    (document,) = read(Source(path=path, name=path.name))
    return document


def test_chapters_follow_the_spine_and_the_contents_name_those_without_a_heading(tmp_path: Path) -> None:
    document = document_of(book(tmp_path))
    assert document.text == ("# Second\n\nText1.\n\nA note.\n\n# First\n\nWater cools.\n\n```\nx = 1\n```")
    assert document.title == "Pump book"
    assert [name for _, _, name in document.headings] == ["Second", "First"]
    assert [(document.text[offset:].split("\n")[0], place) for offset, place in document.anchors] == [
        ("# Second", "chapter 2"), ("# First", "chapter 3"), ("Water cools.", "chapter 3"),
    ]  # fmt: skip
    assert [(page.place, page.state) for page in document.pages] == [
        ("chapter 1", "read"), ("chapter 2", "read"), ("chapter 3", "read"),
    ]  # fmt: skip
    assert document.cut == {"navigation and page furniture": len("First")}
    assert len(document.code) == 1


def test_another_encoding_is_understood(tmp_path: Path) -> None:
    path = book(tmp_path, {"OEBPS/text/two.xhtml": None})
    with zipfile.ZipFile(path, "a") as package:
        text = PAGE.format("<p>Größe</p>").replace("?>", " encoding='iso-8859-1'?>", 1)
        package.writestr("OEBPS/text/two.xhtml", text.encode("latin-1"))
    assert "Größe" in document_of(path).text


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("META-INF/container.xml", None, "missing"),
        ("META-INF/container.xml", "<container/>", "names no package"),
        ("OEBPS/book.opf", None, "missing"),
        ("OEBPS/book.opf", "<package><spine/></package>", "no chapters"),
        ("OEBPS/book.opf", "<package>", "damaged"),
        ("OEBPS/text/two.xhtml", None, "missing"),
        ("OEBPS/toc.ncx", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "document type"),
        (
            "META-INF/encryption.xml",
            "<encryption><EncryptionMethod Algorithm='http://www.w3.org/2001/04/xmlenc#aes256-cbc'/></encryption>",
            "DRM",
        ),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, text: str | None, reason: str) -> None:
    path = book(tmp_path, {name: text})
    with pytest.raises(UnreadableError, match=reason):
        document_of(path)


def test_a_truncated_book_is_unreadable(tmp_path: Path) -> None:
    path = book(tmp_path)
    content = path.read_bytes()
    for share in range(0, 100, 17):
        path.write_bytes(content[: len(content) * share // 100])
        with pytest.raises(UnreadableError, match="damaged"):
            document_of(path)
