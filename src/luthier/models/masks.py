"""Which words of a text an encoder has to fill in (Devlin et al. 2019, arXiv:1810.04805, section 3.1; whole words as in
its authors' later models), drawn anew in every step (Liu et al. 2019, arXiv:1907.11692, section 4.1).
"""

# V vocabulary, M tokens of a row that may be masked, W its words

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from luthier.artifacts.worded import IntArray
from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.models.texts import special_ids
from luthier.records import Worded

HIDDEN, SWAPPED = 0.8, 0.1
"""Shares of the chosen words that become mask tokens and other tokens; the rest stays as it is."""
SPACES = " Ġ▁Ċĉ"
"""How tokenizers write white space at the beginning of a word."""
SPACE, LETTER, DIGIT, MARK = range(4)
NAMES = ("[MASK]", "<mask>", "<|mask|>")
"""What mask tokens are called."""


@dataclass(frozen=True, slots=True)
class Words:
    """Where words begin, for every token of a vocabulary."""

    first_V: NDArray[np.int8]
    """Kind of character that a token begins with."""
    last_V: NDArray[np.int8]
    continues_V: NDArray[np.bool_] | None
    """Tokens that go on with a word, in vocabularies that mark those; None in others."""

    def begins(self, ids_M: IntArray) -> NDArray[np.bool_]:
        """True for tokens that do not belong to the word of the token before them: [M].

        Where a vocabulary marks the beginnings of words by white space, a change between letters, digits and others
        begins a word too.
        """
        if self.continues_V is not None:
            return ~self.continues_V[ids_M]
        first_M, before_M = self.first_V[ids_M], np.concatenate([[SPACE], self.last_V[ids_M]])[:-1]
        begins: NDArray[np.bool_] = (first_M == SPACE) | ((first_M != before_M) & (before_M != SPACE))
        return begins


@dataclass(frozen=True, slots=True)
class Masker:
    """Draws masks: the same for the same seed, step and row, whoever asks in whatever order."""

    words: Words
    mask_id: int
    others: IntArray
    """Tokens that a word may be swapped for: all but the special ones."""
    share: float
    """Share of the tokens that may be masked, of which loss is taken."""
    seed: int
    hidden: float = HIDDEN
    swapped: float = SWAPPED

    def __call__(self, row: Worded, step: int) -> Worded:
        """The row with words masked: `trained` where it was, and `labels` with what stood there."""
        dice = np.random.default_rng([self.seed, step, int(sha256(row.id.encode()).hexdigest()[:16], 16)])
        places_M = np.flatnonzero(row.trained)
        ids = np.array(row.ids)
        begins_M = self.words.begins(ids[places_M])
        begins_M[np.diff(places_M, prepend=-2) > 1] = True
        word_M = begins_M.cumsum() - 1
        order_W = dice.permutation(int(word_M[-1]) + 1)
        sizes_W = np.bincount(word_M)[order_W]
        wanted = max(1, round(self.share * len(places_M)))
        taken = order_W[: int(np.searchsorted(sizes_W.cumsum(), wanted)) + 1]
        fate_W = np.full(len(order_W), np.inf)
        fate_W[taken] = dice.random(len(taken))
        fate_M = fate_W[word_M]
        masked_M = np.isfinite(fate_M)
        labels = ids[places_M[masked_M]]
        swaps = masked_M & (fate_M >= self.hidden) & (fate_M < self.hidden + self.swapped)
        ids[places_M[fate_M < self.hidden]] = self.mask_id
        ids[places_M[swaps]] = self.others[dice.integers(len(self.others), size=int(swaps.sum()))]
        trained = np.zeros(len(ids), dtype=np.bool_)
        trained[places_M[masked_M]] = True
        return replace(row, ids=tuple(ids.tolist()), trained=tuple(trained.tolist()), labels=tuple(labels.tolist()))


def make_masker(
    wording: Wording, *, share: float, seed: int, hidden: float = HIDDEN, swapped: float = SWAPPED
) -> Masker:
    """A masker for the texts of one tokenizer; UserError if it has no mask token."""
    tokenizer = wording.tokenizer
    special = special_ids(tokenizer)
    mask_id = next((found for name in NAMES if (found := tokenizer.token_to_id(name)) in special), None)
    if mask_id is None:
        raise UserError(
            "objective 'fill' needs a base whose tokenizer has a mask token, such as [MASK] or <mask>, and this one "
            "has none. Choose another encoder."
        )
    others = np.array([place for place in range(tokenizer.get_vocab_size()) if place not in special], dtype=np.int64)
    return Masker(words_of(tokenizer), mask_id, others, share, seed, hidden, swapped)


def words_of(tokenizer: Tokenizer) -> Words:
    """How the vocabulary of a tokenizer tells words apart."""
    tokens, model = [tokenizer.id_to_token(place) or "" for place in range(tokenizer.get_vocab_size())], tokenizer.model
    first = np.array([_kind(token[:1]) for token in tokens], dtype=np.int8)
    last = np.array([_kind(token[-1:]) for token in tokens], dtype=np.int8)
    if not isinstance(model, models.WordPiece):
        return Words(first, last, None)
    mark = model.continuing_subword_prefix
    return Words(first, last, np.array([token.startswith(mark) for token in tokens], dtype=np.bool_))


def _kind(character: str) -> int:
    if not character or character in SPACES:
        return SPACE
    # Byte-level vocabularies write the bytes of letters beyond ASCII as characters from there.
    if character.isalpha() or "\x80" <= character < "\u0180":
        return LETTER
    return DIGIT if character.isdigit() else MARK
