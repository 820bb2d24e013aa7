"""Jupyter notebooks: cells in order, code in fences, each cell's text output up to 2 KB."""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from luthier.collect.readers.draft import Draft
from luthier.collect.readers.markdown import find_outline
from luthier.collect.reading import Source, UnreadableError, unreadable_on
from luthier.records import Document

MOST_OUTPUT_BYTES = 2_048
TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def read(source: Source) -> Iterator[Document]:
    """The one document of a notebook of format 3 or 4. Its title is its first heading, or the file's name."""
    with unreadable_on(orjson.JSONDecodeError, problem="not readable as a notebook"):
        book = orjson.loads(source.path.read_bytes())
    cells = _cells(book)
    language = _language(book)
    whole = Draft()
    for number, cell in enumerate(cells, start=1):
        whole.place(f"cell {number}")
        with unreadable_on(AttributeError, TypeError, ValueError, problem=f"damaged notebook, cell {number}"):
            whole.append(_part(cell, language=language))
    yield whole.document(source, kind="notebook", meta={"language": language} if language else {})


def _cells(book: Any) -> list[dict[str, Any]]:
    holders = [book, *book.get("worksheets", [])] if isinstance(book, dict) else []
    if not any("cells" in holder for holder in holders):
        raise UnreadableError("holds JSON but no notebook cells")
    cells = [cell for holder in holders for cell in holder.get("cells", [])]
    if not all(isinstance(cell, dict) and "cell_type" in cell for cell in cells):
        raise UnreadableError("damaged notebook: a cell without a type")
    return cells


def _language(book: dict[str, Any]) -> str:
    about = book.get("metadata") or {}
    named = about.get("language_info") or about.get("kernelspec") or {}
    return str(named.get("language") or named.get("name") or "")


def _part(cell: dict[str, Any], *, language: str) -> Draft:
    part = Draft()
    content = _joined(cell.get("source", cell.get("input", "")))
    if cell["cell_type"] == "code":
        part.code(content, language=str(cell.get("language") or language))
        _write_output(part, cell.get("outputs") or [])
    elif cell["cell_type"] == "heading":
        part.heading(content, level=int(cell.get("level") or 1))
    elif cell["cell_type"] == "markdown":
        part.paragraph(content)
        outline = find_outline(part.text)
        part.headings, part.code_spans, part.grids = list(outline.headings), list(outline.code), list(outline.grids)
    else:
        part.paragraph(content)
    for attached in (cell.get("attachments") or {}).values():
        part.cut["pictures"] += sum(len(_joined(data)) for data in attached.values())
    part.cut = +part.cut
    return part


def _write_output(part: Draft, outputs: list[dict[str, Any]]) -> None:
    texts = []
    for output in outputs:
        data = output.get("data") or {name: output[name] for name in ("text", "png", "html", "svg") if name in output}
        error = f"{output.get('ename')}: {output.get('evalue')}" if "ename" in output else ""
        shown = error or _joined(data.get("text/plain", data.get("text", "")))
        texts.append(TERMINAL_CODE.sub("", shown).rstrip("\n"))
        pictures = [value for kind, value in data.items() if kind.startswith("image/") or kind in {"png", "svg"}]
        part.cut["pictures"] += sum(len(_joined(picture)) for picture in pictures)
    whole = "\n".join(text for text in texts if text)
    kept = whole.encode("utf-8")[:MOST_OUTPUT_BYTES].decode("utf-8", errors="ignore")
    part.cut["output"] += len(whole) - len(kept)
    part.code(kept, language="text")


def _joined(content: Any) -> str:
    """Text that notebooks hold as one string or as a list of lines."""
    return "".join(map(str, content)) if isinstance(content, list) else str(content or "")
