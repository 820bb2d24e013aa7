"""What each arm is shown before an item's question: nothing, examples, texts that were found, or the item's own source.

Examples and texts are rows of TRAIN: what the tuned model learnt from, and nothing of the exam but, open-book, an
item's own source. Of raw text, which holds no questions, examples are those that the exam keeps for this.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, islice
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
T = TypeVar("T")


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

    def found(self, item: Item) -> list[str]:
        """The texts that share most words with the item's question, the best first."""
        places = self._texts.nearest(self._bare(_question(item)), count=TEXTS)
        return [self._text(int(place)) for place in places]

    def with_texts(self, item: Item, texts: Sequence[str], limits: Limits) -> Prompt:
        """The prompt with texts before its question, the most useful first; fewer where the window is short."""
        return self._fitting(item, texts, partial(_behind, item), most=limits.of_texts)

    def with_source(self, item: Item, source: str, limits: Limits) -> Prompt:
        """The prompt with the text that holds its answer, or as much of it as fits."""
        bare = self._ids(item, item.messages)

        def fits(text: str) -> bool:
            return len(self._ids(item, _behind(item, [text]))) <= limits.of_texts(len(bare))

        kept = cut_to_fit(source, item.golds, fits)
        return self._ids(item, _behind(item, [kept])) if kept else bare

    def _fitting(
        self,
        item: Item,
        parts: Sequence[Part],
        told: Callable[[Sequence[Part]], list[Message]],
        *,
        most: Callable[[int], int],
    ) -> Prompt:
        """The prompt with as many parts as fit, the first before the last."""
        bare = self._ids(item, item.messages)
        ids = most_parts(parts, lambda kept: self._ids(item, told(kept)), lambda ids: len(ids) <= most(len(bare)))
        return bare if ids is None else ids

    def _ids(self, item: Item, messages: Sequence[Message]) -> Prompt:
        return self._wording.prompt_ids(messages, tools=item.tools)

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


class Lead:
    """What stands before a question that is a text which breaks off: other texts, each a paragraph."""

    def __init__(self, wording: Wording, limits: Limits) -> None:
        self._wording = wording
        self._limits = limits

    def with_texts(self, question: str, texts: Sequence[str]) -> str:
        """Texts, the most useful first, then the question; fewer where the window is short."""
        return self._fitting(question, texts, self._limits.of_texts)

    def with_examples(self, question: str, examples: Sequence[str]) -> str:
        """Examples, the most useful last, then the question; the first leave where the window is short."""
        return self._fitting(question, examples, self._limits.of_examples, is_last_best=True)

    def with_source(self, question: str, source: str, golds: Sequence[str]) -> str:
        """The text that holds the answer, or as much of it as fits, then the question."""
        most = self._limits.of_texts(self._size(question))
        kept = cut_to_fit(source, golds, lambda text: self._size(_paragraphs([text, question])) <= most)
        return _paragraphs([kept, question]) if kept else question

    def _fitting(
        self, question: str, parts: Sequence[str], most: Callable[[int], int], *, is_last_best: bool = False
    ) -> str:
        room = most(self._size(question))
        best_first = parts[::-1] if is_last_best else parts

        def told(kept: Sequence[str]) -> str:
            return _paragraphs([*(kept[::-1] if is_last_best else kept), question])

        found = most_parts(best_first, told, lambda text: self._size(text) <= room)
        return question if found is None else found

    def _size(self, text: str) -> int:
        return len(self._wording.document_ids(text))


class Examples:
    """Questions like the exam's with their answers, by their words."""

    def __init__(self, examples: Sequence[Item], items: Sequence[Item]) -> None:
        self._examples = {task: [one for one in examples if one.task == task] for task in {one.task for one in items}}
        asked = {word for item in items for word in words_in(_question(item))}
        self._index = {task: WordIndex(map(_question, found), asked=asked) for task, found in self._examples.items()}

    def nearest(self, item: Item) -> list[str]:
        """The nearest examples of the item's task from other documents, the nearest last: its own might tell it."""
        known = self._examples[item.task]
        order = self._index[item.task].nearest(_question(item), count=len(known))
        others = (known[place] for place in order if known[place].document != item.document)
        return [f"{_question(one)} {one.golds[0]}" for one in islice(others, SHOTS)][::-1]


def most_parts(parts: Sequence[Part], told: Callable[[Sequence[Part]], T], fits: Callable[[T], bool]) -> T | None:
    """What is told with as many of the first parts as fit; None if not even one does."""
    for count in range(len(parts), 0, -1):
        found = told(parts[:count])
        if fits(found):
            return found
    return None


def cut_to_fit(text: str, golds: Sequence[str], fits: Callable[[str], bool]) -> str:
    """The text, or the longest stretch around the first of the answers that stands in it; empty if nothing fits."""
    if fits(text):
        return text
    place = next((text.index(gold) + len(gold) // 2 for gold in golds if gold and gold in text), 0)

    def around(size: int) -> str:
        start = max(0, min(place - size // 2, len(text) - size))
        return text[start : start + size]

    return around(bisect_left(range(1, len(text) + 1), True, key=lambda size: not fits(around(size))))


def _behind(item: Item, texts: Sequence[str]) -> list[Message]:
    """The item's turns with texts before its last question."""
    last = max(place for place, turn in enumerate(item.messages) if turn.role == "user")
    turn = item.messages[last]
    shown = FOUND.format(texts="\n\n".join(texts), question=turn.content)
    return [*item.messages[:last], replace(turn, content=shown), *item.messages[last + 1 :]]


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n\n".join(texts)


def _question(item: Item) -> str:
    return next(turn.content for turn in reversed(item.messages) if turn.role == "user")
