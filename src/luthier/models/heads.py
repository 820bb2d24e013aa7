"""New heads on top of an encoder."""

# B rows, L longest row, T tokens of all rows, E embedding, N labels

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput


class PooledClassifier(nn.Module):
    """An encoder whose mean last hidden state goes through one linear layer to a logit per label.

    The mean over a text's tokens is what sentence encoders were trained to make (Reimers and Gurevych 2019,
    arXiv:1908.10084, section 3); their first token alone was never asked for anything. The head computes in float32,
    whatever the encoder computes in.
    """

    def __init__(self, encoder: Any, *, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = encoder.config
        self.classifier = nn.Linear(encoder.config.hidden_size, labels)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    @property
    def base_model(self) -> Any:
        """The encoder, under the name that `transformers` has for it."""
        return self.encoder

    def forward(
        self, *, input_ids: Tensor, attention_mask: Tensor | None = None, **types: Tensor
    ) -> SequenceClassifierOutput:
        """Ids and mask [B, L] -> logits [B, N]; `types` say which of two texts tokens belong to (`type_arguments`)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        states_BLE = self.encoder(input_ids=input_ids, attention_mask=mask, **types).last_hidden_state
        return SequenceClassifierOutput(logits=self.classifier(mean_states(states_BLE.float(), mask)))

    def of_states(self, states_TE: Tensor, lengths: Sequence[int]) -> Tensor:
        """Last hidden states of rows of these lengths, one row behind the other -> logits [B, N]."""
        means_BE = torch.segment_reduce(states_TE.float(), "mean", lengths=torch.tensor(lengths))
        logits: Tensor = self.classifier(means_BE)
        return logits


def in_float32(head: nn.Module) -> None:
    """Let a head keep its weights and compute in float32, whatever its encoder computes in."""
    head.float().register_forward_pre_hook(_widened)


def _widened(_head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.float() for each in inputs)


def mean_states(states_BLE: Tensor, mask_BL: Tensor) -> Tensor:
    """Mean of the states of real tokens: [B, E]."""
    weights_BL1 = mask_BL[:, :, None].to(states_BLE.dtype)
    return (states_BLE * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1)
