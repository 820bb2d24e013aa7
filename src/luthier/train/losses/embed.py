"""Embed: near to what belongs to it, far from the rest of the step (InfoNCE), or in the order of scores (CoSENT).

The step's rows are each other's negatives, so its loss needs all of their vectors, while memory holds one micro-batch.
Cached gradients (Gao et al. 2021, arXiv:2101.06983, section 3): vectors of all pieces without their graphs, the loss
and its gradient by every vector, then each piece once more, with the same random numbers, against its own gradient.
"""

# N rows, T texts of all rows, Q queries, C candidates, E embedding, S scored rows

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.models.embed import Embed, choose_vectors, stream_vectors
from luthier.models.forward import TokenRows
from luthier.models.load import Loaded
from luthier.records import Worded
from luthier.train.batches import Cut
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.replay import Reminder

SCALE = 20.0
"""What cosines are multiplied by: 1 / temperature."""


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream of texts where this encoder gives the same numbers so."""
    assert loaded.pooling is not None
    embed, reason = choose_vectors(loaded.model, sample, pooling=loaded.pooling, pad_id=lesson.wording.pad_id)
    asked = lesson.config.temperature
    loss = EmbedLoss(embed, scale=SCALE if asked == "auto" else 1 / asked)
    return Way(loss, reason, packs=getattr(embed, "func", embed) is stream_vectors)


@dataclass(frozen=True, slots=True)
class Piece:
    """What the whole step says of one of its pieces."""

    random: Tensor
    """State of the random numbers before its vectors were made."""
    nats: Tensor
    """[N]"""
    gradient: Tensor | None
    """[T, E] of the step's loss by the vectors of its texts; None where nothing is learnt."""


class EmbedLoss:
    """Nats per row; the unit of a step's mean is one row. A scored row has the nats of all scored rows of the step."""

    def __init__(self, embed: Embed, *, scale: float = SCALE) -> None:
        self.embed = embed
        self.scale = scale
        self._pieces: deque[Piece] = deque()

    def units(self, rows: Sequence[Worded]) -> int:
        """Rows."""
        return len(rows)

    def look_ahead(self, model: Any, held: Mapping[int, Worded], *, among: Sequence[Worded], cut: Cut) -> None:
        """Find the loss of a step of several pieces, and its gradient by every vector."""
        self._pieces.clear()
        pieces = [[held[number] for number in piece] for piece in cut(held)]
        if len(pieces) < 2:
            return
        learns = torch.is_grad_enabled()
        states, parts = [], []
        with torch.no_grad():
            for piece in pieces:
                states.append(torch.get_rng_state())
                parts.append(self._vectors(model, piece))
        sizes = [len(part) for part in parts]
        vectors = torch.cat(parts).requires_grad_(learns)
        nats = row_nats(vectors, [row for piece in pieces for row in piece], scale=self.scale)
        gradients: Sequence[Tensor | None] = [None] * len(pieces)
        if learns:
            gradients = torch.autograd.grad(nats.sum(), vectors)[0].split(sizes)
        shares = nats.detach().split([len(piece) for piece in pieces])
        self._pieces.extend(map(Piece, states, shares, gradients))

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum of nats; an embedder has no general ability to be reminded of."""
        assert reminder is None
        if not self._pieces:
            return Summed(row_nats(self._vectors(model, rows), rows, scale=self.scale).sum(), None)
        piece = self._pieces.popleft()
        assert len(piece.nats) == len(rows), "pieces follow in the order of `look_ahead`"
        assert piece.gradient is not None, "it was looked at without learning"
        torch.set_rng_state(piece.random)
        slope = (self._vectors(model, rows) * piece.gradient).sum()
        return Summed(slope - slope.detach() + piece.nats.sum(), None)

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """Nats of each row, without gradient."""
        if self._pieces:
            nats = self._pieces.popleft().nats
        else:
            nats = row_nats(self._vectors(model, rows), rows, scale=self.scale)
        return [float(value) for value in nats.double()]

    def _vectors(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        return self.embed(model, [text for row in rows for text in row.texts])


def row_nats(vectors_TE: Tensor, rows: Sequence[Worded], *, scale: float) -> Tensor:
    """Nats of each row, given the vectors of all texts of all rows in order: [N].

    Rows without a score: InfoNCE. Rows with one: CoSENT of all of them, the same number for each.
    """
    unit_TE = F.normalize(vectors_TE, dim=1)
    sizes = torch.tensor([len(row.ends) for row in rows])
    queries = sizes.cumsum(0) - sizes
    scored = torch.tensor([row.score is not None for row in rows])
    nats = vectors_TE.new_zeros(len(rows))
    if not scored.all():
        is_candidate = (~scored).repeat_interleave(sizes)
        is_candidate[queries] = False
        asked, candidates = queries[~scored], is_candidate.nonzero().flatten()
        own = torch.searchsorted(candidates, asked + 1)
        hidden = known_answers([text for row in rows for text in row.texts], asked=asked, candidates=candidates)
        hidden[torch.arange(len(asked)), own] = False
        cosines_QC = unit_TE[asked] @ unit_TE[candidates].t()
        nats = nats.masked_scatter(~scored, info_nce(cosines_QC, own, hidden, scale=scale))
    if scored.any():
        pairs = queries[scored]
        cosines_S = (unit_TE[pairs] * unit_TE[pairs + 1]).sum(dim=1)
        scores_S = torch.tensor([row.score for row in rows if row.score is not None])
        nats = nats + scored * cosent(cosines_S, scores_S, scale=scale)
    return nats


def known_answers(texts: Sequence[tuple[int, ...]], *, asked: Tensor, candidates: Tensor) -> Tensor:
    """[Q, C] True where a candidate is the query itself or its positive in any row, and so no negative of it.

    `asked` and `candidates` are places among the texts; a query's own positive stands right behind it.
    """
    numbers: dict[tuple[int, ...], int] = {}
    number_T = torch.tensor([numbers.setdefault(text, len(numbers)) for text in texts])
    different, query_Q = number_T[asked].unique(return_inverse=True)
    answers = torch.zeros(len(different), len(numbers), dtype=torch.bool)
    answers[query_Q, number_T[asked]] = True
    answers[query_Q, number_T[asked + 1]] = True
    return answers[query_Q][:, number_T[candidates]]


def info_nce(cosines_QC: Tensor, own_Q: Tensor, hidden_QC: Tensor, *, scale: float) -> Tensor:
    """-log softmax of each query's own candidate among all that are not hidden (van den Oord et al. 2018,
    arXiv:1807.03748, eq. 4): [Q].
    """
    return F.cross_entropy((scale * cosines_QC).masked_fill(hidden_QC, -torch.inf), own_Q, reduction="none")


def cosent(cosines_S: Tensor, scores_S: Tensor, *, scale: float) -> Tensor:
    """log(1 + sum of exp(scale (cos_i - cos_j)) over pairs of rows with score_i < score_j) (Huang et al. 2024, CoSENT,
    doi:10.1109/TASLP.2024.3402087): a scalar.
    """
    wrong_SS = scale * (cosines_S[:, None] - cosines_S)
    terms = wrong_SS[scores_S[:, None] < scores_S]
    return torch.cat([terms.new_zeros(1), terms]).logsumexp(dim=0)
