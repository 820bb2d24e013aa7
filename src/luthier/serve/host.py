"""One engine, its wording and its names: what the HTTP routes call."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from luthier.errors import UserError
from luthier.models.classify import worded_texts
from luthier.models.engines.engine import AnswersTokens, Sampling
from luthier.models.extract import Pointer, best_answer
from luthier.models.spans import Named, named_entities
from luthier.objectives import OBJECTIVES, objective
from luthier.records import Message
from luthier.serve.pieces import Piece, pieces
from luthier.serve.router import Router
from luthier.serve.worker import Items, Worker

T = TypeVar("T")
CAUSAL = frozenset(name for name, one in OBJECTIVES.items() if one.head == "causal")
"""Objectives whose models write."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a caller wants an answer to be written. None: as long as the context allows; a seed by chance."""

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Talk:
    """An answer on its way."""

    prompt_tokens: int
    pieces: Items[Piece]


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of texts, in their order, and how many tokens were read for them."""

    vectors: list[list[float]]
    tokens: int


class Host:
    """Answers requests with one engine, one at a time."""

    def __init__(self, engine: AnswersTokens, *, router: Router, fingerprint: str, created: int) -> None:
        self._engine = engine
        self._worker = Worker()
        self.router = router
        self.fingerprint = fingerprint
        self.created = created
        """Unix seconds when the tuned model was made."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of a classifier, BIO labels of a tagger; empty for others."""
        return self._engine.labels

    def talk(self, model: str, messages: Sequence[Message], wish: Wish) -> Talk:
        """Start to answer a conversation, worded as in training and in the exam.

        Raises NotFoundError for an unknown model and UserError for a prompt that does not fit the context.
        """
        route = self.router.find(model)
        self._check_goal(CAUSAL, model)
        wording = self._engine.wording
        prompt = wording.prompt_ids(messages)
        room = wording.context - len(prompt)
        if room < 1:
            raise UserError(
                f"the prompt has {len(prompt)} tokens and the context ends at {wording.context}. Shorten it."
            )
        sampling = Sampling(
            max_tokens=min(wish.max_tokens or room, room),
            temperature=wish.temperature,
            top_p=wish.top_p,
            seed=secrets.randbits(31) if wish.seed is None else wish.seed,
        )

        def work() -> Iterator[Piece]:
            ids = self._engine.stream(prompt, adapter=route.adapter, sampling=sampling)
            return pieces(ids, decode=wording.decode, max_tokens=sampling.max_tokens, stop=wish.stop)

        return Talk(prompt_tokens=len(prompt), pieces=self._worker.each(work))

    @property
    def several(self) -> bool:
        """Whether a text can have several labels, or none."""
        return self._engine.several

    async def classify(self, texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """Probability of every label for every text, or two that are judged together; UserError if the model is no
        classifier or a text too long.
        """
        self._check_goal({"classify"})
        rows, seconds = worded_texts(texts, self._engine.wording)
        self._check_lengths(rows)
        found = await self._one(lambda: self._engine.classify(rows, seconds=seconds))
        return [[float(value) for value in row] for row in found]

    async def tag(self, texts: Sequence[str]) -> list[list[Named]]:
        """The entities of every text; UserError if the model is no tagger or a text too long."""
        self._check_goal({"tag"})
        worded = [self._engine.wording.word_ids(text) for text in texts]
        self._check_lengths([text.ids for text in worded])
        found = await self._one(lambda: self._engine.tag([text.ids for text in worded]))
        return [named_entities(chances, text, self.labels) for chances, text in zip(found, worded, strict=True)]

    async def extract(self, questions: Sequence[tuple[str, str]]) -> list[Pointer | None]:
        """Where each context answers its question, None if it does not; UserError if the model is no extractor or a
        question leaves its context no room.
        """
        self._check_goal({"extract"})
        windows = [self._engine.wording.pair_windows(question, context) for question, context in questions]
        for index, own in enumerate(windows):
            if not own:
                raise UserError(
                    f"question {index} with the longest word of its context has more tokens than the "
                    f"{self._engine.wording.context} that the model reads"
                )
        pairs = [window.pair for own in windows for window in own]
        ids, seconds = [pair.ids for pair in pairs], [pair.ends[0] for pair in pairs]
        logits = iter(await self._one(lambda: self._engine.point(ids, seconds)))
        return [best_answer([next(logits) for _ in own], own) for own in windows]

    async def embed(self, model: str, texts: Sequence[str | Sequence[int]]) -> Embedded:
        """A vector of every text, given as it is or as ids; NotFoundError for an unknown model, UserError if the model
        makes no vectors, or a text is empty, too long, or of ids that the model does not know.
        """
        route = self.router.find(model)
        self._check_goal({"embed"}, model)
        wording = self._engine.wording
        rows = [wording.text_ids(text) if isinstance(text, str) else tuple(text) for text in texts]
        known = wording.tokenizer.get_vocab_size()
        for index, (text, row) in enumerate(zip(texts, rows, strict=True)):
            if not text:
                raise UserError(f"text {index} is empty")
            if not all(0 <= token < known for token in row):
                raise UserError(f"text {index} has ids of no token: they run from 0 to {known - 1}")
        self._check_lengths(rows)
        found = await self._one(lambda: self._engine.embed(rows, adapter=route.adapter))
        vectors = [[float(value) for value in vector] for vector in found]
        return Embedded(vectors, tokens=sum(map(len, rows)))

    def _check_goal(self, wanted: Collection[str], model: str = "the served model") -> None:
        if self._engine.objective not in wanted:
            endpoint = objective(self._engine.objective).endpoint
            raise UserError(f"{model} learnt '{self._engine.objective}'. Ask it at {endpoint}")

    def _check_lengths(self, rows: Sequence[Sequence[int]]) -> None:
        context = self._engine.wording.context
        for index, row in enumerate(rows):
            if len(row) > context:
                raise UserError(f"text {index} has {len(row)} tokens, and the model reads {context}")

    async def _one(self, compute: Callable[[], T]) -> T:
        """What `compute` returns, on the thread of the engine."""

        def work() -> Iterator[T]:
            yield compute()

        async with aclosing(self._worker.each(work)) as results:
            async for found in results:
                return found
        raise AssertionError("the engine gave nothing")

    def close(self) -> None:
        """Abort what runs and stop."""
        self._worker.close()
