"""Hidden words told from what stands around them: head and loss only where words are hidden, over a stream of rows
where that gives the same numbers as padded ones.
"""

# T tokens of all rows, M hidden tokens, E embedding, V vocabulary

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from luthier.models.dense import trained_head_loss
from luthier.models.encoder import make_stream, stream_states
from luthier.models.forward import TOLERANCE, pad_rows
from luthier.models.fused import CHUNK
from luthier.records import Worded

Hidden = Callable[[Any, Sequence[Worded]], Tensor]
"""Model and masked rows -> last hidden states of the encoder where tokens are hidden: [M, E], in row order."""


def stream_hidden(model: Any, rows: Sequence[Worded]) -> Tensor:
    """From one stream without padding."""
    stream = make_stream([row.ids for row in rows])
    starts = dict(zip(stream.places, accumulate(stream.lengths, initial=0), strict=False))
    places = [starts[place] + token for place, row in enumerate(rows) for token in hidden_tokens(row)]
    return stream_states(model.base_model, stream)[torch.tensor(places)]


def padded_hidden(model: Any, rows: Sequence[Worded], *, pad_id: int) -> Tensor:
    """From a right-padded batch: any encoder can do this."""
    ids, mask = pad_rows([row.ids for row in rows], pad_id=pad_id)
    states_BLE = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted, _ = pad_rows([list(map(int, row.trained)) for row in rows], pad_id=0)
    states_ME: Tensor = states_BLE[wanted.bool()]
    return states_ME


def hidden_tokens(row: Worded) -> list[int]:
    """Places of the tokens that are to be told."""
    return [place for place, hidden in enumerate(row.trained) if hidden]


def targets_of(rows: Sequence[Worded]) -> tuple[Tensor, Tensor]:
    """What stood at the hidden places, and whose they are: both [M]."""
    targets = torch.tensor([token for row in rows for token in row.labels])
    owners = torch.tensor([owner for owner, row in enumerate(rows) for _ in row.labels])
    return targets.long(), owners.long()


def fill_loss(model: Any, states_ME: Tensor, targets: Tensor) -> Tensor:
    """Sum of the nats of what was hidden, with gradients for everything that is trained. No [M, V] is kept."""
    decoder = model.get_output_embeddings()
    found: Tensor = trained_head_loss(_before_decoder(model, states_ME), decoder.weight, targets, decoder.bias)
    return found


def fill_nats(model: Any, states_ME: Tensor, targets: Tensor) -> Tensor:
    """Nats of every hidden token, without gradient: float32 [M]."""
    decoder = model.get_output_embeddings()
    pieces = zip(_before_decoder(model, states_ME).split(CHUNK), targets.split(CHUNK), strict=True)
    nats = [nn.functional.cross_entropy(decoder(part).float(), aims, reduction="none") for part, aims in pieces]
    return torch.cat(nats)


def checks_out(model: Any, ids: Sequence[int]) -> bool:
    """Whether the head is what we take it for: layers before one product with a bias, looked at token by token."""
    row = torch.tensor([ids])
    was_training = model.training
    model.eval()
    with torch.no_grad():
        expected_TV = model(input_ids=row).logits[0].float()
        states_TE = model.base_model(input_ids=row).last_hidden_state[0]
        found_TV = model.get_output_embeddings()(_before_decoder(model, states_TE)).float()
    model.train(was_training)
    error = float((found_TV - expected_TV).abs().max() / expected_TV.abs().max())
    return error <= TOLERANCE[next(model.parameters()).dtype]


def choose_hidden(model: Any, rows: Sequence[Worded], *, pad_id: int) -> tuple[Hidden, str]:
    """Take the path without padding if it gives this model the same numbers as each row alone (receipt R7), else pad.

    `rows` is a small sample of masked rows. Returns the path and the reason for it.
    """
    padded = partial(padded_hidden, pad_id=pad_id)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = torch.cat([padded(model, [row]) for row in rows]).float()
            together = stream_hidden(model, rows).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        return padded, f"padded: this architecture cannot take a stream of rows ({type(error).__name__}: {error})"
    finally:
        model.train(was_training)
    worst = float((alone - together).abs().max() / alone.abs().max())
    if not worst <= TOLERANCE[next(model.parameters()).dtype]:  # also if it is not a number
        return padded, f"padded: rows in a stream would differ by {worst:.1e} (R7)"
    return stream_hidden, f"packed: equal to each row alone within {worst:.1e} (R7)"


def _before_decoder(model: Any, states_ME: Tensor) -> Tensor:
    """What a masked model's last product reads, from hidden states of its encoder: [M, E]."""
    with (
        _standing_in(model, model.base_model_prefix, _Known(states_ME)),
        _standing_in(model, _name_of(model, model.get_output_embeddings()), nn.Identity()),
    ):
        found: Tensor = model(input_ids=torch.zeros(1, len(states_ME), dtype=torch.long)).logits[0]
    return found


class _Known(nn.Module):
    """An encoder that has the states already; every architecture's own code then applies its head to them."""

    def __init__(self, states_ME: Tensor) -> None:
        super().__init__()
        self.states = states_ME

    def forward(self, *_ids: Any, **_settings: Any) -> BaseModelOutput:
        """Whatever is asked -> the states as one row: [1, M, E]."""
        return BaseModelOutput(last_hidden_state=self.states[None])


@contextmanager
def _standing_in(model: nn.Module, name: str, part: nn.Module) -> Iterator[None]:
    usual = model.get_submodule(name)
    model.set_submodule(name, part)
    try:
        yield
    finally:
        model.set_submodule(name, usual)


def _name_of(model: nn.Module, part: nn.Module) -> str:
    return str(next(name for name, module in model.named_modules() if module is part))
