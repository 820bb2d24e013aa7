"""A small real engine: a byte tokenizer, and a model that repeats the question, one byte a token."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from luthier.models.chat import Wording
from luthier.models.engines.engine import Sampling
from luthier.models.template import PLAIN_TEMPLATE

END = 256


def byte_wording(context: int = 512) -> Wording:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={text: index for index, text in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return Wording(
        tokenizer=tokenizer,
        template=PLAIN_TEMPLATE,
        special={"eos_token": "<end>"},
        end_ids=(END,),
        pad_id=END,
        start_id=None,
        control=("<end>",),
        context=context,
        template_hash="plain",
    )


@dataclass
class EchoEngine:
    """Answers with the last user's text (tuned) or in reverse byte order (base); `live` counts open streams."""

    wording: Wording = field(default_factory=byte_wording)
    labels: tuple[str, ...] = ()
    objective: str = "chat"
    several: bool = False
    delay: float = 0.0
    live: int = 0
    made: int = 0
    samplings: list[Sampling] = field(default_factory=list)

    def stream(self, prompt: Sequence[int], *, adapter: bool, sampling: Sampling) -> Iterator[int]:
        text = self.wording.decode(prompt)
        if "explode" in text:
            raise RuntimeError("a secret inside")
        answer = text.rpartition("User: ")[2].rpartition("Assistant: ")[0].rstrip("\n")
        ids = self.wording.text_ids(answer)[: sampling.max_tokens]
        self.samplings.append(sampling)
        self.live += 1
        try:
            for token in ids if adapter else ids[::-1]:
                time.sleep(self.delay)
                self.made += 1
                yield token
        finally:
            self.live -= 1

    def classify(self, rows: Sequence[Sequence[int]], *, seconds: Sequence[int] = ()) -> np.ndarray:
        """By the lengths of rows; where texts can have several labels, that of a pair's second text is the last."""
        if self.several:
            ends = seconds or [len(row) for row in rows]
            pairs = zip(rows, ends, strict=True)
            return np.array([[0.6, len(row) > 4, len(row) > end] for row, end in pairs], dtype=np.float64)
        lengths = np.array([[len(row) % (place + 2) + 1.0 for place, _ in enumerate(self.labels)] for row in rows])
        return lengths / lengths.sum(axis=1, keepdims=True)

    def tag(self, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Capital letters begin an entity, digits go on with it."""
        found = []
        for row in rows:
            letters = [self.wording.decode([token]) for token in row]
            places = [1 if letter.isupper() else 2 if letter.isdigit() else 0 for letter in letters]
            found.append(np.eye(len(self.labels))[places] * 0.5 + 0.5 / len(self.labels))
        return found

    def point(self, rows: Sequence[Sequence[int]], seconds: Sequence[int]) -> list[np.ndarray]:
        """The first and the last capital letter of the second text, or its first token if it has none."""
        found = []
        for row, second in zip(rows, seconds, strict=True):
            capital = [place for place in range(second, len(row)) if self.wording.decode([row[place]]).isupper()]
            logits = np.zeros((len(row), 2))
            logits[[capital[0], capital[-1]] if capital else [0, 0], [0, 1]] = 9.0
            found.append(logits)
        return found

    def embed(self, rows: Sequence[Sequence[int]], *, adapter: bool) -> np.ndarray:
        """How often ids of each remainder by 4 occur, as a direction; the base's points the other way."""
        counts = np.array([[sum(token % 4 == place for token in row) + 0.5 for place in range(4)] for row in rows])
        return (1 if adapter else -1) * counts / np.linalg.norm(counts, axis=1, keepdims=True)
