"""Shared-prefix rows: passages of 600 tokens, and eight short questions with their answers about each."""

import random

from bench.engine._rows import _take, _words

from luthier.models.chat import Wording

QUESTIONS = 8
PASSAGE = 600
QUESTION, ANSWER = 16, 32
"""Tokens, on average."""


def passage_rows(passages: int, *, seed: int, wording: Wording) -> list[list[dict[str, str]]]:
    """Rows of messages from the glosses of WordNet, those of one passage next to each other."""
    dice = random.Random(seed)
    words = _words(dice)
    rows = []
    for _ in range(passages):
        passage = _take(words, PASSAGE, wording)
        for _ in range(QUESTIONS):
            asked = _take(words, dice.randint(QUESTION // 2, 3 * QUESTION // 2), wording)
            told = _take(words, dice.randint(ANSWER // 2, 3 * ANSWER // 2), wording)
            prompt = f"{passage}\n\nQuestion: {asked}?"
            rows.append([{"role": "user", "content": prompt}, {"role": "assistant", "content": told}])
    return rows
