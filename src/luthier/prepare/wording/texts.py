"""Several bare texts: a question with the text that answers it, and a query with its positive and negatives."""

import dataclasses
from collections.abc import Sequence
from itertools import accumulate

from luthier.prepare.reading import TOO_LONG, Desk, Reading, bare
from luthier.records import Extraction, Pair

INSIDE = "its answer begins or ends inside a token"


def read_extraction(asked: Extraction, desk: Desk) -> Sequence[Reading | str]:
    """Question and context as one, labelled with the answer's first and last token; one that is too long leaves."""
    pair = desk.wording.pair_ids(asked.question, asked.context)
    if len(pair.ids) > desk.frame.limit:
        return [TOO_LONG]
    tokens = pair.tokens_of(*asked.answers[0]) if asked.answers else (0, 0)
    if tokens is None:
        return [INSIDE]
    texts = (asked.question, asked.context)
    golds = tuple(dict.fromkeys(asked.context[start:end] for start, end in asked.answers)) or ("",)
    row = dataclasses.replace(desk.row(pair.ids), labels=tokens, ends=pair.ends)
    return [Reading(desk.one, row, bare(texts), golds, texts=texts)]


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
