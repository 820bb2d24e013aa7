"""Chat: next-token cross-entropy on what the assistant writes, its end of turn included."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from luthier.models.dense import trained_head_loss
from luthier.models.engines.hf import labelled_positions
from luthier.models.forward import Forward, TokenRows, choose_forward, packed_states
from luthier.models.fused import CHUNK, labelled_loss, logits_of, token_nats
from luthier.models.load import Loaded, head_weight
from luthier.models.noise import NOISE_DIFFERS, EmbeddingNoise
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Worded
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """Packed and shared where this architecture gives the same numbers so."""
    forward, reason = choose_forward(loaded.model, sample)
    alpha = lesson.config.neftune
    refusal = NOISE_DIFFERS if alpha else choose_tree(loaded.model, sample, forward=forward)
    shared = ChatLoss(tree_states) if refusal is None else None
    noise = EmbeddingNoise(loaded.model, alpha=alpha) if alpha else None
    return Way(ChatLoss(forward, noise), reason, forward is packed_states, forward, shared, refusal)


class ChatLoss:
    """Nats over trained tokens; the unit of a step's mean is one trained token."""

    def __init__(self, forward: Forward, noise: EmbeddingNoise | None = None) -> None:
        self.forward = forward
        self.noise = noise

    def units(self, rows: Sequence[Worded]) -> int:
        """Trained tokens of these rows."""
        return sum(sum(row.trained) for row in rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; the reminder's rows share the forward pass."""
        positions, targets, _ = labelled_positions(rows)
        extra = reminder.rows if reminder is not None else ()
        with self._over(rows, extra):
            states = self.forward(model, [*(row.ids for row in rows), *extra])
        head = head_weight(model)
        measure = trained_head_loss if head.requires_grad else labelled_loss
        nats = measure(states[positions], head, targets)
        if reminder is None:
            return Summed(nats, None)
        return Summed(nats, reminder.divergence(states[-sum(map(len, extra)) :], head))

    def _over(self, rows: Sequence[Worded], extra: TokenRows) -> AbstractContextManager[None]:
        """Forward passes over these rows, with noise on the first if it is asked for."""
        if self.noise is None:
            return nullcontext()
        return self.noise.over([len(row.ids) for row in rows], list(map(len, extra)))

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        positions, targets, owners = labelled_positions(rows)
        states = self.forward(model, [row.ids for row in rows])[positions]
        nats = token_nats(states, head_weight(model), targets).double()
        return [float(value) for value in torch.zeros(len(rows), dtype=torch.float64).index_add_(0, owners, nats)]

    def right(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """1 where every trained token is the likeliest behind the true ones before it: what greedy decoding writes."""
        positions, targets, owners = labelled_positions(rows)
        states, head = self.forward(model, [row.ids for row in rows])[positions], head_weight(model)
        likeliest = torch.cat([logits_of(part, head).argmax(dim=-1) for part in states.split(CHUNK)])
        missed = torch.zeros(len(rows)).index_add_(0, owners, (likeliest != targets).float())
        return [float(value == 0) for value in missed]
