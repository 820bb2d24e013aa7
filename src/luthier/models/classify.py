"""Logits of many texts of unequal length: over one stream where that gives the same numbers as padded rows."""

# T tokens of all rows, B rows, N labels, E embedding

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor

from luthier.models.chat import Wording
from luthier.models.encoder import make_stream, stream_states, type_arguments
from luthier.models.forward import TOLERANCE, Forward, TokenRows, choose_forward, packed_states, pad_rows, padded_states
from luthier.models.heads import PooledClassifier
from luthier.records import Worded


class Logits(Protocol):
    """A way to the logits of rows."""

    def __call__(self, model: Any, rows: TokenRows, seconds: Sequence[int] = (), /) -> Tensor:
        """Rows, and where the second text of each begins (empty: rows are one text) -> float32 [B, N], in row order."""


def seconds_of(rows: Sequence[Worded]) -> list[int]:
    """Where the second text of each row begins, at its end if it has none; empty if no row has one."""
    found = [row.ends[0] if len(row.ends) > 1 else len(row.ids) for row in rows]
    return found if any(row.ends for row in rows) else []


def worded_texts(texts: Sequence[Sequence[str]], wording: Wording) -> tuple[list[tuple[int, ...]], list[int]]:
    """Ids of single texts and of pairs, as in training, and where the second text of each begins (`seconds_of`)."""
    pairs = [wording.pair_ids(*each) if len(each) > 1 else None for each in texts]
    rows = [wording.text_ids(each[0]) if pair is None else pair.ids for each, pair in zip(texts, pairs, strict=True)]
    seconds = [len(row) if pair is None else pair.ends[0] for row, pair in zip(rows, pairs, strict=True)]
    return rows, seconds if any(pairs) else []


def padded_logits(model: Any, rows: TokenRows, seconds: Sequence[int] = (), *, pad_id: int) -> Tensor:
    """Logits from a right-padded batch: any architecture can do this."""
    ids, mask = pad_rows(rows, pad_id=pad_id)
    types = pad_types(rows, seconds)
    logits: Tensor = model(input_ids=ids, attention_mask=mask, **type_arguments(model, types)).logits
    return logits.float()


def pad_types(rows: TokenRows, seconds: Sequence[int]) -> Tensor:
    """1 in the second text of each right-padded row, else 0: [B, L]."""
    types = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for place, second in enumerate(seconds):
        types[place, second : len(rows[place])] = 1
    return types


def stream_logits(model: PooledClassifier, rows: TokenRows, seconds: Sequence[int] = ()) -> Tensor:
    """Logits of an encoder with a pooled head from one stream without padding."""
    stream = make_stream(rows, seconds=seconds)
    logits = model.of_states(stream_states(model.encoder, stream), stream.lengths)
    return logits[torch.tensor(stream.places).argsort()]


def last_token_logits(
    model: Any, rows: TokenRows, _seconds: Sequence[int] = (), *, forward: Forward = packed_states
) -> Tensor:
    """Logits of a decoder with a `score` on each row's last token, from rows without padding. It is not told of texts
    but by the tokens between them.
    """
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
    seconds = [len(row) // 2 for row in rows]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            pairs = zip(rows, seconds, strict=True)
            alone = torch.cat([compared[0](model, [row], [second]) for row, second in pairs]).float()
            together = compared[1](model, rows, seconds).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded: this architecture cannot take a stream of rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return padded, f"padded: rows in a stream would differ by {worst:.1e} (R7)"
    return path, f"packed: equal to each row alone within {worst:.1e} (R7)"


def _padded_states(model: PooledClassifier, rows: TokenRows, seconds: Sequence[int] = ()) -> Tensor:
    ids, mask = pad_rows(rows, pad_id=0)
    types = type_arguments(model, pad_types(rows, seconds))
    states: Tensor = model.encoder(input_ids=ids, attention_mask=mask, **types).last_hidden_state
    return states[mask.bool()]


def _stream_states(model: PooledClassifier, rows: TokenRows, seconds: Sequence[int] = ()) -> Tensor:
    return stream_states(model.encoder, make_stream(rows, seconds=seconds))
