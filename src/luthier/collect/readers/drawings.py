"""Charts as the numbers behind them, and the words of diagrams: what Office files hold in parts of their own."""

from luthier.collect.readers.draft import Draft, raised
from luthier.collect.readers.office_xml import A, Element, M, Parts, R, formula, local_name, whole_number

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
DRAWINGS = (f"{C}chart", f"{DGM}relIds")
"""Elements that point to a chart or a diagram."""


def write_drawing(draft: Draft, drawing: Element, *, parts: Parts, owner: str, at: str) -> None:
    """Write the chart or diagram that an element of the part `owner` points to; without a target there is no text."""
    if drawing.tag == f"{C}chart":
        if target := parts.target(owner, drawing.get(f"{R}id")):
            write_chart(draft, parts.tree(target), at=at)
    elif target := parts.target(owner, drawing.get(f"{R}dm")):
        write_diagram(draft, parts.tree(target))


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


def _points(series: Element, *kinds: str) -> dict[int, str]:
    found = [point for kind in kinds for point in series.findall(f"{C}{kind}//{C}pt")]
    return {whole_number(point.get("idx"), otherwise=0): point.findtext(f"{C}v") or "" for point in found}
