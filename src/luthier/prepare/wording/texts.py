"""Several bare texts: a question with the text that answers it, and a query with its positive and negatives."""

import dataclasses
from collections.abc import Sequence
from itertools import accumulate

from luthier.models.texts import PairWindow, Places
from luthier.prepare.reading import TOO_LONG, Desk, Reading, bare, numbered
from luthier.records import Extraction, Pair

INSIDE = "its answer begins or ends inside a token"
ONCE = "a further window of a long context, which the exam asks about once, as a whole"


def read_extraction(asked: Extraction, desk: Desk) -> Sequence[Reading | str]:
    """Question and context as one, or with each window of a long context, labelled with the answer's first and last
    token; a window that holds no answer whole answers nothing. The exam asks once, about the whole context.
    """
    windows = desk.wording.pair_windows(asked.question, asked.context, limit=desk.frame.limit)
    answered = [next((place for place in asked.answers if window.holds(*place)), None) for window in windows]
    missed = bool(asked.answers) and not any(answered)
    if not windows or missed or (len(windows) > 1 and desk.frame.keeps_whole):
        return [TOO_LONG]
    found = [_read(asked, window, answer, desk) for window, answer in zip(windows, answered, strict=True)]
    names = iter(numbered([one for one in found if isinstance(one, Reading)]))
    read = [one if isinstance(one, str) else next(names) for one in found]
    return [
        dataclasses.replace(one, ungradable=ONCE) if place and isinstance(one, Reading) else one
        for place, one in enumerate(read)
    ]


def _read(asked: Extraction, window: PairWindow, answer: Places | None, desk: Desk) -> Reading | str:
    pair = window.pair
    tokens = (0, 0) if answer is None else pair.tokens_of(*(place - window.start for place in answer))
    if tokens is None:
        return INSIDE
    golds = tuple(dict.fromkeys(asked.context[start:end] for start, end in asked.answers)) or ("",)
    row = dataclasses.replace(desk.row(pair.ids), labels=tokens, ends=pair.ends)
    whole = bare((asked.question, asked.context))
    return Reading(desk.one, row, whole, golds, texts=(asked.question, window.text))


def read_pair(pair: Pair, desk: Desk) -> Sequence[Reading | str]:
    """Each text by itself, one behind the other; a pair of which one text is too long leaves."""
    texts = (pair.query, pair.positive, *pair.negatives)
    worded = [desk.wording.text_ids(text) for text in texts]
    if max(map(len, worded)) > desk.frame.limit:
        return [TOO_LONG]
    ends = tuple(accumulate(map(len, worded)))
    row = dataclasses.replace(desk.row([token for ids in worded for token in ids]), ends=ends, score=pair.score)
    golds = (pair.positive,) if pair.score is None else (pair.positive, str(pair.score))
    return [Reading(desk.one, row, bare(texts[:1]), golds, texts=texts)]
