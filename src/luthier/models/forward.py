"""Hidden states of many rows of unequal length, packed or padded: the two give the same numbers."""

# T tokens of all rows, E embedding, B rows, L longest row

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from luthier.models.attention import packed_layout, packed_rows_attention
from luthier.models.causal import causal_states
from luthier.models.load import backbone
from luthier.models.readout import for_head

TokenRows = Sequence[Sequence[int]]
Forward = Callable[[Any, TokenRows], Tensor]
ROUND = 32
"""Streams of packed rows are a multiple of this many tokens."""
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 6e-2}
"""Largest difference between packed and padded states, relative to their largest value."""
PACKABLE_LAYERS = {"full_attention", "sliding_attention"}
"""Other kinds, such as chunked attention, may differ on rows longer than any sample."""


def packed_states(model: Any, rows: TokenRows) -> Tensor:
    """Last hidden states of a causal model over all rows in one stream without padding: [T, E].

    One filler row rounds the stream up, because oneDNN keeps a compiled product for every length it has met.
    """
    count = sum(len(row) for row in rows)
    if count % ROUND:
        rows = [*rows, [0] * (-count % ROUND)]
    ids = torch.tensor([token for row in rows for token in row])
    positions = torch.cat([torch.arange(len(row)) for row in rows])
    layout = packed_layout([len(row) for row in rows])
    return causal_states(model, ids, positions, attend=partial(packed_rows_attention, layout=layout))[:count]


def padded_states(model: Any, rows: TokenRows) -> Tensor:
    """The same states from a right-padded batch: any causal architecture can do this. [T, E] in row order."""
    ids, mask = pad_rows(rows, pad_id=0)
    output = backbone(model)(input_ids=ids, attention_mask=mask, use_cache=False)
    return for_head(model, output.last_hidden_state[mask.bool()])


def pad_rows(rows: TokenRows, *, pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [B, L], padded on the right."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids, mask


def pad_left(rows: TokenRows, *, pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [B, L], padded on the left: the last column holds every row's last token."""
    ids, mask = pad_rows([row[::-1] for row in rows], pad_id=pad_id)
    return ids.flip(1), mask.flip(1)


def choose_forward(model: Any, rows: TokenRows) -> tuple[Forward, str]:
    """Take the packed path if it gives this model the same states as the padded one (receipt R7), else the padded.

    `rows` is a small sample. Returns the path and the reason for it.
    """
    unknown = set(getattr(model.config, "layer_types", None) or ()) - PACKABLE_LAYERS
    if unknown:
        return padded_states, f"padded: layers of type {', '.join(sorted(unknown))} do not take packed rows"
    rows = [*rows, *rows]  # one row alone would tell nothing
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = torch.cat([padded_states(model, [row]) for row in rows]).float()
            together = packed_states(model, rows).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded_states, f"padded: this architecture cannot take packed rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return padded_states, f"padded: packed rows would differ by {worst:.1e} (R7)"
    return packed_states, f"packed: equal to each row alone within {worst:.1e} (R7)"


def batches_by_length(rows: TokenRows, *, tokens: int) -> list[list[int]]:
    """Indices of rows in batches of at most `tokens` padded tokens, like lengths together, in a fixed order."""
    order = sorted(range(len(rows)), key=lambda index: (len(rows[index]), index))
    batches: list[list[int]] = []
    for index in order:
        if batches and (len(batches[-1]) + 1) * len(rows[index]) <= tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
