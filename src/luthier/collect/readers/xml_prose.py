"""XML: DocBook and JATS with their structure, any other schema as its text in order. DTDs and entities are not read."""

from collections.abc import Iterator
from html.entities import html5
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from luthier.collect.readers.draft import Draft, guarded
from luthier.collect.readers.xml_tables import local
from luthier.collect.readers.xml_walk import Walk, role_of, words_of
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

BLOCK = 1 << 20
DEEPEST = 200
CHARACTERS = {name[:-1]: text for name, text in html5.items() if name.endswith(";")}
"""The named characters of DocBook and JATS, which their DTDs would define."""
FIELDS = {"pubdate": "date", "journal-title": "journal", "article-id": "id", "releaseinfo": "release"}
"""Element -> name in `meta`; the first of each kind counts."""


def read(source: Source) -> Iterator[Document]:
    """The one document of an XML file. Its title is the first title in it, or the file's name.

    UnreadableError for damaged XML, for entities that the file declares, and for more than 200 levels.
    """
    root = _root(source.path)
    draft = Draft()
    Walk(draft, file=source.name).block(root, level=1)
    draft, page = guarded(draft, words_of(root), place="")
    title, meta = "", dict[str, str]()
    for element in root.iter():
        role, name = role_of(element), FIELDS.get(local(element))
        if role == "dropped":
            draft.cut["index terms and remarks"] += sum(map(len, element.itertext()))
        elif role == "title" and not title:
            title = words_of(element)
        elif name and name not in meta:
            meta[name] = " ".join(words_of(element).split())
    yield draft.document(source, kind="xml", title=title, pages=[page], meta=meta)


def _root(path: Path) -> Element:
    parser = DefusedXMLParser()
    parser.entity.update(CHARACTERS)
    try:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                parser.feed(block)
        root: Element = parser.close()
    except DefusedXmlException as error:
        advice = "declares entities, which are never expanded; save it without them, for example with xmllint --noent"
        raise UnreadableError(advice) from error
    except (ParseError, ValueError, LookupError) as error:
        raise UnreadableError(f"not readable as XML: {error}") from error
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return root
    raise UnreadableError(f"nested more than {DEEPEST} levels deep")
