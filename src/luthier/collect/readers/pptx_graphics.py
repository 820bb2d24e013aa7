"""What slides show besides text: tables, charts as the numbers behind them, and the words of diagrams."""

from luthier.collect.readers.docx_lists import written_number
from luthier.collect.readers.draft import Draft, raised
from luthier.collect.readers.office_xml import A, Element, M, Parts, R, formula, local_name, whole_number
from luthier.collect.readers.pipes import Piece

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
NUMBER_STYLES = {"alphaLc": "lowerLetter", "alphaUc": "upperLetter", "romanLc": "lowerRoman", "romanUc": "upperRoman"}
INDENT = "  "


def paragraph_text(paragraph: Element) -> str:
    """Text of one paragraph, breaks as line ends."""
    pieces: list[str] = []
    for child in paragraph:
        name = local_name(child)
        if name in {"r", "fld"}:
            pieces += map(run_text, child.iter(f"{A}t"))
        elif name == "br":
            pieces.append("\n")
        elif not name.endswith("Pr"):
            pieces += [f" {formula(one)} " for one in child.iter(f"{M}oMath")]
    return "".join(pieces)


def run_text(text: Element) -> str:
    """Text of one run, powers with their sign."""
    look = text.getparent().find(f"{A}rPr")
    is_raised = look is not None and whole_number(look.get("baseline"), otherwise=0) > 0
    return raised(text.text or "") if is_raised else text.text or ""


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


def write_chart(draft: Draft, chart: Element, *, at: str) -> None:
    """Write a chart as its title and the table of its numbers: one row per category, one column per series."""
    title = " ".join("".join(one.text or "" for one in chart.findall(f".//{C}title//{A}t")).split())
    series = list(chart.iter(f"{C}ser"))
    points = [(_points(one, "cat", "xVal"), _points(one, "val", "yVal")) for one in series]
    names = [" ".join(one.text or "" for one in member.findall(f"{C}tx//{C}v")) for member in series]
    labels: dict[int, str] = {}
    for categories, values in points:
        for place in [*categories, *values]:
            labels.setdefault(place, categories.get(place, ""))
    rows = [[labels[place], *(values.get(place, "") for _, values in points)] for place in sorted(labels)]
    before = len(draft.text)
    draft.paragraph(title)
    if rows:
        draft.table(["", *names], rows, at=at)
    # The guard's reference is the slide itself; a chart is a part of its own.
    draft.inserted.append(draft.text[before:])


def write_diagram(draft: Draft, data: Element) -> None:
    """Write the words of a diagram, one item per shape."""
    before = len(draft.text)
    for number, point in enumerate(one for one in data.iter(f"{DGM}pt") if "".join(one.itertext()).strip()):
        text = " ".join(paragraph_text(one).strip() for one in point.iter(f"{A}p"))
        draft.paragraph(f"- {text}", gap="\n" if number else "\n\n")
    draft.inserted.append(draft.text[before:])


def write_graphic(draft: Draft, frame: Element, *, parts: Parts, slide: str, at: str) -> None:
    """Write a table, chart or diagram; other graphics hold no text that can be read."""
    for table in frame.iter(f"{A}tbl"):
        write_table(draft, table, at=at)
    for chart in frame.iter(f"{C}chart"):
        if target := parts.target(slide, chart.get(f"{R}id")):
            write_chart(draft, parts.tree(target), at=at)
    for diagram in frame.iter(f"{DGM}relIds"):
        if target := parts.target(slide, diagram.get(f"{R}dm")):
            write_diagram(draft, parts.tree(target))


def _points(series: Element, *kinds: str) -> dict[int, str]:
    found = [point for kind in kinds for point in series.findall(f"{C}{kind}//{C}pt")]
    return {whole_number(point.get("idx"), otherwise=0): point.findtext(f"{C}v") or "" for point in found}


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
