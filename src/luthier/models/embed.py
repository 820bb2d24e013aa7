"""Vectors of many texts of unequal length: over one stream where that gives the same numbers as padded rows."""

# T tokens of all texts, B texts, E embedding

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from luthier.models.classify import choose_path
from luthier.models.encoder import make_stream, stream_states
from luthier.models.forward import TokenRows, pad_rows
from luthier.models.pooling import Pooling

Embed = Callable[[Any, TokenRows], Tensor]
"""Encoder and texts -> float32 [B, E], in text order."""


def padded_vectors(model: Any, rows: TokenRows, *, pooling: Pooling, pad_id: int) -> Tensor:
    """Vectors from a right-padded batch: any encoder can do this."""
    ids, mask = pad_rows(rows, pad_id=pad_id)
    return pooling.of_padded(model(input_ids=ids, attention_mask=mask).last_hidden_state, mask)


def stream_vectors(model: Any, rows: TokenRows, *, pooling: Pooling) -> Tensor:
    """Vectors from one stream without padding."""
    stream = make_stream(rows)
    vectors = pooling.of_stream(stream_states(model, stream), stream.lengths)
    return vectors[torch.tensor(stream.places).argsort()]


def choose_vectors(model: Any, rows: TokenRows, *, pooling: Pooling, pad_id: int) -> tuple[Embed, str]:
    """Take the stream if it gives this encoder the same numbers as each text alone (receipt R7), else pad.

    `rows` is a small sample. Returns the path and the reason for it.
    """
    padded = partial(padded_vectors, pooling=pooling, pad_id=pad_id)
    stream = partial(stream_vectors, pooling=pooling)
    return choose_path(model, rows, path=stream, compared=(padded, stream), padded=padded)
