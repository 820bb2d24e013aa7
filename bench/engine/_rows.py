"""The standard rows: conversations of 190 tokens on average, of very different lengths, a third of them answer."""

import json
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.record import ROOT

from luthier.models.chat import Wording
from luthier.records import Message

PASSAGES = ROOT / "src" / "luthier" / "prepare" / "general" / "wordnet.jsonl"
MEAN = 190
SPREAD = 0.7
"""Of the logarithm of the length: batches of 8 then are about half padding, as real conversations are."""
SHORTEST, LONGEST = 72, 640
ANSWER = 1 / 3
REQUEST = "Continue this text:"


def standard_rows(count: int, *, seed: int, wording: Wording) -> list[list[dict[str, str]]]:
    """Make rows of messages from the glosses of WordNet; equal arguments give equal rows."""
    dice = random.Random(seed)
    words = _words(dice)
    empty = len(wording.chat_ids([Message("user", REQUEST), Message("assistant", "")]).ids)
    rows = []
    for length in row_lengths(count, dice):
        answer = round(length * ANSWER)
        asked = _take(words, length - answer - empty, wording)
        told = _take(words, answer, wording)
        rows.append([{"role": "user", "content": f"{REQUEST} {asked}"}, {"role": "assistant", "content": told}])
    return rows


def standard_passages(count: int, *, seed: int, wording: Wording) -> list[dict[str, Any]]:
    """Raw texts of the same lengths as ids; all but the first token of each carries loss."""
    dice = random.Random(seed)
    words = _words(dice)
    passages = [wording.document_ids(_take(words, length, wording)) for length in row_lengths(count, dice)]
    return [{"ids": list(ids), "trained": [0, *(1,) * (len(ids) - 1)]} for ids in passages]


def tokenized(rows: list[list[dict[str, str]]], wording: Wording) -> list[dict[str, Any]]:
    """Ids of each conversation, and which of them carry loss: what every loop learns from."""
    chats = [wording.chat_ids([Message(turn["role"], turn["content"]) for turn in row]) for row in rows]
    return [{"ids": list(chat.ids), "trained": [int(each) for each in chat.trained]} for chat in chats]


def write_tokenized(path: Path, rows: list[dict[str, Any]]) -> None:
    """One row a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row_lengths(count: int, dice: random.Random) -> list[int]:
    """Tokens of each row."""
    drawn = [dice.lognormvariate(0, SPREAD) for _ in range(count)]
    scale = MEAN * count / sum(drawn)
    cut = [min(LONGEST, max(SHORTEST, size * scale)) for size in drawn]
    whole = sum(cut)  # cutting the ends moved the mean a little
    return [round(size * MEAN * count / whole) for size in cut]


def _words(dice: random.Random) -> Iterator[str]:
    passages = [json.loads(line)["text"] for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
    dice.shuffle(passages)
    return cycle(word for passage in passages for word in passage.split())


def _take(words: Iterator[str], tokens: int, wording: Wording) -> str:
    taken: list[str] = []
    size = 0
    while size < tokens:
        taken.append(next(words))
        size += len(wording.text_ids(f" {taken[-1]}"))
    return " ".join(taken)
