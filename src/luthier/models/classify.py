"""Logits of many texts of unequal length: over one stream where that gives the same numbers as padded rows."""

# T tokens of all rows, B rows, N labels, E embedding

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from luthier.models.encoder import make_stream, stream_states
from luthier.models.forward import TOLERANCE, Forward, TokenRows, choose_forward, packed_states, pad_rows, padded_states
from luthier.models.heads import PooledClassifier

Logits = Callable[[Any, TokenRows], Tensor]
"""Model and rows -> float32 [B, N], in row order."""


def padded_logits(model: Any, rows: TokenRows, *, pad_id: int) -> Tensor:
    """Logits from a right-padded batch: any architecture can do this."""
    ids, mask = pad_rows(rows, pad_id=pad_id)
    logits: Tensor = model(input_ids=ids, attention_mask=mask).logits
    return logits.float()


def stream_logits(model: PooledClassifier, rows: TokenRows) -> Tensor:
    """Logits of an encoder with a pooled head from one stream without padding."""
    stream = make_stream(rows)
    logits = model.of_states(stream_states(model.encoder, stream), stream.lengths)
    return logits[torch.tensor(stream.places).argsort()]


def last_token_logits(model: Any, rows: TokenRows, *, forward: Forward = packed_states) -> Tensor:
    """Logits of a decoder with a `score` on each row's last token, from rows without padding."""
    ends = torch.tensor(list(accumulate(len(row) for row in rows))) - 1
    logits: Tensor = model.score(forward(model, rows)[ends])
    return logits.float()


def choose_logits(model: Any, rows: TokenRows, *, pad_id: int) -> tuple[Logits, str]:
    """Take the path without padding if it gives this model the same numbers as each row alone (receipt R7), else pad.

    `rows` is a small sample. Returns the path and the reason for it.
    """
    padded = partial(padded_logits, pad_id=pad_id)
    if isinstance(model, PooledClassifier):
        return choose_path(model, rows, path=stream_logits, compared=(_padded_states, _stream_states), padded=padded)
    forward, reason = choose_forward(model, rows)
    if forward is padded_states:
        return padded, reason
    return choose_path(model, rows, path=last_token_logits, compared=(padded, last_token_logits), padded=padded)


def choose_path(
    model: Any, rows: TokenRows, *, path: Logits, compared: tuple[Logits, Logits], padded: Logits
) -> tuple[Logits, str]:
    """`path` if `compared` (alone, together) agree on rows of the sample and halves of them, else `padded`; and why."""
    rows = sorted([*rows, *(row[: -(-len(row) // 2)] for row in rows)], key=len)  # one row alone would tell nothing
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = torch.cat([compared[0](model, [row]) for row in rows]).float()
            together = compared[1](model, rows).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded: this architecture cannot take a stream of rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return padded, f"padded: rows in a stream would differ by {worst:.1e} (R7)"
    return path, f"packed: equal to each row alone within {worst:.1e} (R7)"


def _padded_states(model: PooledClassifier, rows: TokenRows) -> Tensor:
    ids, mask = pad_rows(rows, pad_id=0)
    states: Tensor = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    return states[mask.bool()]


def _stream_states(model: PooledClassifier, rows: TokenRows) -> Tensor:
    return stream_states(model.encoder, make_stream(rows))
