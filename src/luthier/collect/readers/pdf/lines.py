"""Words to segments, and segments to rows."""

from dataclasses import dataclass

from luthier.collect.readers.pdf.boxes import Box, Segment, Style, Word, bounds, join_words

WIDEST_SPACE = 0.6
"""Of the font size; a wider space parts two segments."""
UNKNOWN = Style(0.0)


@dataclass(slots=True)
class Row(Box):
    """Segments at one height, from left to right."""

    segments: list[Segment]
    text: str = ""
    """The text of its segments, parted by spaces."""
    style: Style = UNKNOWN
    """The style of its longest segment; bold and mono only if all of it is."""


def find_segments(words: list[Word]) -> list[Segment]:
    """Join words that follow one another on a line, in the order of the file."""
    segments: list[Segment] = []
    run: list[Word] = []
    for word in words:
        if run and not _continues(run[-1], word):
            segments.append(_segment(run, order=len(segments)))
            run = []
        run.append(word)
    if run:
        segments.append(_segment(run, order=len(segments)))
    return segments


def _continues(last: Word, word: Word) -> bool:
    size = max(last.style.size, word.style.size)
    if not -0.3 * size <= word.left - last.right <= WIDEST_SPACE * size:
        return False
    shared = min(last.bottom, word.bottom) - max(last.top, word.top)
    return shared >= 0.5 * min(last.height, word.height)


def _segment(words: list[Word], *, order: int) -> Segment:
    if len(words) == 1:
        word = words[0]
        return Segment(word.left, word.top, word.right, word.bottom, join_words(words), word.style, order)
    lengths: dict[float, int] = {}
    for word in words:
        lengths[word.style.size] = lengths.get(word.style.size, 0) + len(word.text)
    size = max(lengths, key=lambda size: (lengths[size], size))
    style = Style(size, bold=all(word.style.bold for word in words), mono=all(word.style.mono for word in words))
    # Raised and lowered marks shall not make the line taller.
    main = [word for word in words if word.style.size == size]
    return Segment(
        left=words[0].left,
        top=min(word.top for word in main),
        right=max(word.right for word in words),
        bottom=max(word.bottom for word in main),
        text=join_words(words),
        style=style,
        order=order,
    )


def find_rows(segments: list[Segment]) -> list[Row]:
    """Segments that share at least half of their height, as rows from top to bottom."""
    rows: list[Row] = []
    for segment in sorted(segments, key=lambda segment: (segment.top + segment.bottom, segment.left)):
        last = rows[-1] if rows else None
        if last is not None and _is_level(last, segment):
            last.segments.append(segment)
        else:
            rows.append(Row(segment.left, segment.top, segment.right, segment.bottom, [segment]))
    for row in rows:
        row.segments.sort(key=lambda segment: (segment.left, segment.order))
        around = bounds(row.segments)
        row.left, row.top, row.right, row.bottom = around.left, around.top, around.right, around.bottom
        row.text = " ".join(segment.text for segment in row.segments)
        row.style = _common_style(row.segments)
    return rows


def _common_style(segments: list[Segment]) -> Style:
    if len(segments) == 1:
        return segments[0].style
    return Style(
        size=max(segments, key=lambda segment: len(segment.text)).style.size,
        bold=all(segment.style.bold for segment in segments),
        mono=all(segment.style.mono for segment in segments),
    )


def _is_level(row: Row, segment: Segment) -> bool:
    shared = min(row.bottom, segment.bottom) - max(row.top, segment.top)
    if shared < 0.5 * min(row.height, segment.height):
        return False
    # Lines of two columns at half a step must not chain into one row.
    return all(
        min(other.right, segment.right) - max(other.left, segment.left) <= 0.5 * segment.style.size
        or min(other.bottom, segment.bottom) - max(other.top, segment.top) >= 0.7 * min(other.height, segment.height)
        for other in row.segments
    )
