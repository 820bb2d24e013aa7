"""One engine, its wording and its names: what the HTTP routes call."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from luthier.errors import UserError
from luthier.models.engines.engine import AnswersTokens, Sampling
from luthier.records import Message
from luthier.serve.pieces import Piece, pieces
from luthier.serve.router import Router
from luthier.serve.worker import Items, Worker


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
        """Labels of a classifier; empty for a decoder."""
        return self._engine.labels

    def talk(self, model: str, messages: Sequence[Message], wish: Wish) -> Talk:
        """Start to answer a conversation, worded as in training and in the exam.

        Raises NotFoundError for an unknown model and UserError for a prompt that does not fit the context.
        """
        route = self.router.find(model)
        if self.labels:
            raise UserError(f"'{model}' is a classifier. Ask it at /luthier/v1/classify")
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

    async def classify(self, texts: Sequence[str]) -> list[list[float]]:
        """Probability of every label for every text; UserError if the model is no classifier or a text too long."""
        if not self.labels:
            raise UserError("the served model writes answers. Ask it at /v1/chat/completions")
        wording = self._engine.wording
        rows = [wording.text_ids(text) for text in texts]
        for index, row in enumerate(rows):
            if len(row) > wording.context:
                raise UserError(f"text {index} has {len(row)} tokens, and the model reads {wording.context}")

        def work() -> Iterator[list[list[float]]]:
            yield [[float(value) for value in row] for row in self._engine.classify(rows)]

        async with aclosing(self._worker.each(work)) as results:
            async for scores in results:
                return scores
        raise AssertionError("the engine gave no scores")

    def close(self) -> None:
        """Abort what runs and stop."""
        self._worker.close()
