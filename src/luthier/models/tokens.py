"""Logits of every token of many rows: over one stream where that gives the same numbers as padded rows."""

# T tokens of all rows, B rows, L longest row, E embedding, N labels, or 2 for where a span starts and ends

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from luthier.models.encoder import make_stream, stream_output, type_arguments
from luthier.models.forward import TOLERANCE, TokenRows, pad_rows

TokenLogits = Callable[[Any, TokenRows, Sequence[int]], Tensor]
"""Model, rows, and where the second text of each begins (empty: rows are one text) -> float32 [T, N], row by row."""


def padded_token_logits(model: Any, rows: TokenRows, seconds: Sequence[int], *, pad_id: int) -> Tensor:
    """Logits from a right-padded batch: any encoder can do this."""
    output, mask = _padded(model, rows, seconds, pad_id)
    return _logits(output)[mask]


def padded_token_states(encoder: Any, rows: TokenRows, seconds: Sequence[int], *, pad_id: int) -> Tensor:
    """Last hidden states of an encoder from a right-padded batch: [T, E], row by row."""
    output, mask = _padded(encoder, rows, seconds, pad_id)
    states: Tensor = output.last_hidden_state[mask]
    return states


def stream_token_logits(model: Any, rows: TokenRows, seconds: Sequence[int]) -> Tensor:
    """Logits from one stream without padding."""
    stream = make_stream(rows, seconds=seconds)
    starts = dict(zip(stream.places, accumulate(stream.lengths, initial=0), strict=False))
    order = torch.cat([starts[place] + torch.arange(len(row)) for place, row in enumerate(rows)])
    return _logits(stream_output(model, stream))[0][order]


def choose_token_logits(model: Any, rows: TokenRows, *, pad_id: int) -> tuple[TokenLogits, str]:
    """Take the path without padding if it gives this model the same numbers as each row alone (receipt R7), else pad.

    `rows` is a small sample. Returns the path and the reason for it.
    """
    padded = partial(padded_token_logits, pad_id=pad_id)
    rows = [*rows, *(row[: -(-len(row) // 2)] for row in rows)]  # one row alone would tell nothing
    seconds = [len(row) // 2 for row in rows]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = torch.cat([padded(model, [row], [second]) for row, second in zip(rows, seconds, strict=True)])
            together = stream_token_logits(model, rows, seconds)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded: this architecture cannot take a stream of rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return padded, f"padded: rows in a stream would differ by {worst:.1e} (R7)"
    return stream_token_logits, f"packed: equal to each row alone within {worst:.1e} (R7)"


def _padded(model: Any, rows: TokenRows, seconds: Sequence[int], pad_id: int) -> tuple[Any, Tensor]:
    """What a model gives for a padded batch, and which of its cells [B, L] hold a token."""
    ids, mask = pad_rows(rows, pad_id=pad_id)
    types = torch.zeros_like(ids)
    for place, second in enumerate(seconds):
        types[place, second : len(rows[place])] = 1
    return model(input_ids=ids, attention_mask=mask, **type_arguments(model, types)), mask.bool()


def _logits(output: Any) -> Tensor:
    """[B, L, N] of a token head; of a span head the logits of its two ends side by side."""
    if hasattr(output, "logits"):
        logits: Tensor = output.logits
    else:
        logits = torch.stack([output.start_logits, output.end_logits], dim=-1)
    return logits.float()
