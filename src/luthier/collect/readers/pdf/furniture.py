"""Running headers and footers: lines that stand at the same place of many pages with the same text."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from luthier.collect.readers.pdf.boxes import Segment

MARGIN = 0.15
"""Part of the page's height, at its top and at its bottom, in which furniture stands."""
LEAST_SHARE = 0.5
"""Part of the pages on which a place must hold repeated text."""
STEP = 4.0
"""Points that count as the same height."""
LARGE = 1.2
"""Times the size of the body; larger text is furniture only if its digits repeat as well."""
DECIMAL = re.compile(r"\d+[.,]\d+")
ROMAN = re.compile(r"[ivxlc]{1,7}|[IVXLC]{1,7}")
Place = tuple[str, int]


def find_furniture(pages: Sequence[Sequence[Segment]], heights: Sequence[float], *, body: float) -> list[set[int]]:
    """For each page the places in its list of segments that are furniture; `body` is the usual font size in points.

    A place counts if texts that repeat there, digits masked, cover at least half of the pages. What is cut there is
    what repeats there, or repeats a line of the body: the running title of a short section.
    """
    marks = [_marks(segments, height, body) for segments, height in zip(pages, heights, strict=True)]
    seen: dict[Place, Counter[str]] = defaultdict(Counter)
    for page in marks:
        for key in set(page.values()):
            seen[key[:2]][key[2]] += 1
    repeating: Counter[Place] = Counter()
    for page in marks:
        repeating.update({key[:2] for key in page.values() if seen[key[:2]][key[2]] >= 2})
    furnished = {place for place, count in repeating.items() if count >= max(2.0, LEAST_SHARE * len(pages))}
    titles = {
        _letters(segment.text)
        for segments, page in zip(pages, marks, strict=True)
        for number, segment in enumerate(segments)
        if number not in page or page[number][:2] not in furnished
    }
    return [
        {
            number
            for number, key in page.items()
            if key[:2] in furnished and (seen[key[:2]][key[2]] >= 2 or _letters(segments[number].text) in titles)
        }
        for segments, page in zip(pages, marks, strict=True)
    ]


def _marks(segments: Sequence[Segment], height: float, body: float) -> dict[int, tuple[str, int, str]]:
    """Segment -> (edge, height from there in steps, masked text) of what stands in a margin, apart from the body."""
    top = [(segment.top, segment.bottom, number) for number, segment in enumerate(segments)]
    bottom = [(height - segment.bottom, height - segment.top, number) for number, segment in enumerate(segments)]
    return {
        number: (edge, round((near + far) / 2 / STEP), _masked(segments[number], body))
        for edge, places in (("top", top), ("bottom", bottom))
        for near, far, number in _apart(sorted(places), limit=MARGIN * height)
    }


def _apart(places: list[tuple[float, float, int]], *, limit: float) -> list[tuple[float, float, int]]:
    """What lies between the edge and the last gap of a line's height that begins within the limit."""
    reach, held = float("-inf"), 0
    for number, (near, far, _) in enumerate(places):
        if near - reach >= far - near:
            held = number
        if near > limit:
            break
        reach = max(reach, far)
    return places[:held]


def _masked(segment: Segment, body: float) -> str:
    text = segment.text.strip()
    if segment.style.size > LARGE * body or DECIMAL.fullmatch(text):
        return text
    return "#" if ROMAN.fullmatch(text) else re.sub(r"\d+", "#", text)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
