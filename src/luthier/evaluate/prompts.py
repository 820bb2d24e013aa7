"""What each arm is shown before an item's question: nothing, examples, texts that were found, or the item's own source.

Examples and texts are rows of TRAIN: what the tuned model learnt from, and never anything of the exam.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from luthier.artifacts.worded import table_of_batch, worded_batches
from luthier.evaluate.retrieval import WordIndex, words_in
from luthier.models.chat import Wording
from luthier.models.exchanges import Exchange, ExchangeReader
from luthier.records import Item, Message, Worded

SHOTS = 5
"""Examples in a few-shot prompt."""
TEXTS = 3
"""Texts in a retrieval prompt."""
MOST_ADDED = 2_048
"""Tokens that examples or texts add to a prompt: every one of them costs time, item by item."""
CANDIDATES = 20
"""Rows among which the examples of an item are chosen: some cannot be told again, word for word."""
FOUND = "These texts may help you to answer:\n\n{texts}\n\n{question}"
Prompt = tuple[int, ...]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a prompt may take of the window."""

    context: int
    answer: int
    """Tokens kept free for the answer."""

    def of_examples(self, bare: int) -> int:
        """Most tokens of a prompt with examples that has `bare` without."""
        return min(self.context - self.answer, bare + MOST_ADDED)

    def of_texts(self, bare: int) -> int:
        """Most tokens of a prompt with texts that has `bare` without: texts take at most half the window."""
        return min(self.of_examples(bare), bare + self.context // 2)


class Shelf:
    """The training rows as examples and as texts, by the words of the items' questions."""

    def __init__(self, train: Path, items: Sequence[Item], *, wording: Wording, instruction: str | None) -> None:
        self._wording = wording
        self._instruction = f"{instruction}\n\n" if instruction else ""
        self._reader = ExchangeReader(wording)
        self._tables = [table_of_batch(batch) for batch in worded_batches(train)]
        self._starts = [0, *accumulate(map(len, self._tables))]
        self._exchanges = [self._reader.read(row) for table in self._tables for row in table]
        asked = {word for item in items for word in words_in(self._bare(_question(item)))}
        self._questions = WordIndex(map(self._question, self._exchanges), asked=asked)
        self._texts = WordIndex(map(self._text, range(len(self._exchanges))), asked=asked)

    @property
    def examples(self) -> int:
        """Rows that can be examples."""
        return sum(exchange is not None for exchange in self._exchanges)

    def few_shot(self, item: Item, limits: Limits) -> Prompt:
        """The prompt with the nearest examples as earlier turns, the nearest last; fewer where the window is short."""
        shots = [shot for shot, _ in zip(self._nearest(item), range(SHOTS), strict=False)]
        first = next(place for place, turn in enumerate(item.messages) if turn.role != "system")

        def told(kept: Sequence[Exchange]) -> list[Message]:
            turns = [turn for shot in reversed(kept) for turn in shot.turns]
            return [*item.messages[:first], *turns, *item.messages[first:]]

        return self._fitting(item, shots, told, most=limits.of_examples)

    def retrieval(self, item: Item, limits: Limits) -> Prompt:
        """The prompt with the texts before its question that share most words with it."""
        places = self._texts.nearest(self._bare(_question(item)), count=TEXTS)
        return self.with_texts(item, [self._text(int(place)) for place in places], limits)

    def with_texts(self, item: Item, texts: Sequence[str], limits: Limits) -> Prompt:
        """The prompt with texts before its question, the most useful first; fewer where the window is short."""
        last = max(place for place, turn in enumerate(item.messages) if turn.role == "user")
        turn = item.messages[last]

        def told(kept: Sequence[str]) -> list[Message]:
            shown = FOUND.format(texts="\n\n".join(kept), question=turn.content)
            return [*item.messages[:last], replace(turn, content=shown), *item.messages[last + 1 :]]

        return self._fitting(item, texts, told, most=limits.of_texts)

    def _fitting(
        self,
        item: Item,
        parts: Sequence[Part],
        told: Callable[[Sequence[Part]], list[Message]],
        *,
        most: Callable[[int], int],
    ) -> Prompt:
        """The prompt with as many parts as fit, the first before the last."""
        bare = self._wording.prompt_ids(item.messages, tools=item.tools)
        for count in range(len(parts), 0, -1):
            ids = self._wording.prompt_ids(told(parts[:count]), tools=item.tools)
            if len(ids) <= most(len(bare)):
                return ids
        return bare

    def _nearest(self, item: Item) -> Iterator[Exchange]:
        """Examples whose questions share most words with the item's, word for word as they were learnt."""
        for place in self._questions.nearest(self._bare(_question(item)), count=CANDIDATES):
            exchange = self._exchanges[place]
            if exchange is not None and self._reader.is_true(exchange, self._row(int(place))):
                yield exchange

    def _question(self, exchange: Exchange | None) -> str:
        return "" if exchange is None else self._bare(exchange.asked)

    def _text(self, place: int) -> str:
        """A row as a text: its question and answer, or all of it if it is no such thing."""
        exchange = self._exchanges[place]
        if exchange is None:
            return self._wording.decode(self._row(place).ids)
        return f"{self._bare(exchange.asked)}\n{exchange.answered}"

    def _row(self, place: int) -> Worded:
        table = bisect_right(self._starts, place) - 1
        return self._tables[table][place - self._starts[table]]

    def _bare(self, asked: str) -> str:
        """A question without the instruction that stands before every one."""
        return asked.removeprefix(self._instruction)


def _question(item: Item) -> str:
    return next(turn.content for turn in reversed(item.messages) if turn.role == "user")
