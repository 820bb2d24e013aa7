"""Text bodies and tables of slides: paragraphs with their bullets and numbers, merged cells filled."""

from luthier.collect.readers.docx_lists import written_number
from luthier.collect.readers.draft import Draft
from luthier.collect.readers.drawings import paragraph_text
from luthier.collect.readers.office_xml import A, Element, whole_number
from luthier.collect.readers.pipes import Piece

NUMBER_STYLES = {"alphaLc": "lowerLetter", "alphaUc": "upperLetter", "romanLc": "lowerRoman", "romanUc": "upperRoman"}
INDENT = "  "


def write_paragraphs(draft: Draft, body: Element, *, is_list: bool) -> None:
    """Write the paragraphs of a text body; in lists those without a mark of their own get a bullet."""
    paragraphs = [one for one in body.iter(f"{A}p") if paragraph_text(one).strip()]
    counts: dict[int, int] = {}
    was_item = False
    for paragraph in paragraphs:
        text = paragraph_text(paragraph).strip()
        look = paragraph.find(f"{A}pPr")
        depth = whole_number(look.get("lvl"), otherwise=0) if look is not None else 0
        mark = _mark(look, depth, counts, is_list=is_list and len(paragraphs) > 1)
        if mark not in {"", "- "}:
            draft.inserted.append(mark)
        indent = INDENT * depth if mark else ""
        text = text.replace("\n", f"\n{indent}{' ' * len(mark)}")
        draft.paragraph(f"{indent}{mark}{text}", gap="\n" if was_item and mark else "\n\n")
        was_item = bool(mark)


def write_table(draft: Draft, table: Element, *, at: str) -> None:
    """Write a table of a slide, merged cells filled."""
    grid: list[list[Piece]] = []
    for row in table.iterchildren(f"{A}tr"):
        places: list[Piece] = []
        for cell in row.iterchildren(f"{A}tc"):
            piece = Piece("\n".join(paragraph_text(one) for one in cell.iter(f"{A}p")).strip())
            if cell.get("hMerge") in {"1", "true"} and places and not piece.text:
                piece = places[-1]
            elif cell.get("vMerge") in {"1", "true"} and grid and len(places) < len(grid[-1]) and not piece.text:
                piece = grid[-1][len(places)]
            places.append(piece)
        grid.append(places)
    look = table.find(f"{A}tblPr")
    has_header = look is not None and look.get("firstRow") in {"1", "true"}
    draft.cells(grid, at=at, header_rows=1 if has_header else 0)


def _mark(look: Element | None, depth: int, counts: dict[int, int], *, is_list: bool) -> str:
    for deeper in [level for level in counts if level > depth]:
        del counts[deeper]
    numbers = look.find(f"{A}buAutoNum") if look is not None else None
    if numbers is None:
        counts.pop(depth, None)
        is_marked = look is not None and look.find(f"{A}buChar") is not None
        is_bare = look is not None and look.find(f"{A}buNone") is not None
        return "- " if is_marked or (is_list and not is_bare) else ""
    counts[depth] = counts.get(depth, whole_number(numbers.get("startAt"), otherwise=1) - 1) + 1
    kind = numbers.get("type") or ""
    style = next((style for name, style in NUMBER_STYLES.items() if kind.startswith(name)), "decimal")
    return f"{written_number(counts[depth], style)}. "
