"""Reinforce: of the model's own answers to a prompt, make those likelier that graders like better than the others.

GRPO (Shao et al. 2024, arXiv:2402.03300) without its two biases (Liu et al. 2025, arXiv:2503.20783): an answer's
advantage is its reward minus the mean of its group, not divided by the group's spread unless that is asked for, and
every token of a step weighs the same, whatever the length of its answer (Yu et al. 2025, arXiv:2503.14476, eq. 8).
Answers are drawn at temperature 1 from seeds of their own, so a step that is done again draws the same.
"""

# T tokens of all answers, A answers, G groups, K answers of a group, E embedding

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, tensor

from luthier.errors import UserError
from luthier.graders.marking import Grading, Markings
from luthier.models.chat import Wording
from luthier.models.dense import trained_token_loss
from luthier.models.engines.engine import Sampling
from luthier.models.engines.hf import labelled_positions
from luthier.models.forward import Forward, TokenRows, choose_forward, packed_states
from luthier.models.fused import token_loss, token_nats
from luthier.models.load import Loaded, head_weight
from luthier.models.sampling import Drawn, Sampler
from luthier.models.tree import choose_tree, tree_states
from luthier.records import Worded
from luthier.train.config import ReinforceConfig
from luthier.train.learner import Summed
from luthier.train.losses.way import Lesson, Way
from luthier.train.reference import as_base
from luthier.train.replay import Reminder

LEAST_TOKENS, MORE_TOKENS = 16, 8
"""Of an answer: at least so many, and so many more than the longest gold."""
LEAST_SPREAD = 1e-4
"""Added to a standard deviation that is divided by."""
EVEN = 1e-9
"""Rewards of a group that differ by no more are the same."""


def choose_way(loaded: Loaded, sample: TokenRows, lesson: Lesson) -> Way:
    """A stream or a tree of answers where this architecture gives the same numbers so."""
    config, markings = lesson.config.reinforce, lesson.markings
    assert markings is not None
    if config.kl and lesson.config.method == "full":
        raise UserError(
            "train.reinforce.kl ties new answers to the base, of which method: full leaves nothing. Set kl: 0, or "
            "method: lora"
        )
    forward, found = choose_forward(loaded.model, sample)
    is_tree = choose_tree(loaded.model, sample, forward=forward) is None
    usual = max(LEAST_TOKENS, lesson.longest_answer + MORE_TOKENS)
    limit = usual if config.answer_tokens == "auto" else config.answer_tokens
    sampler = Sampler(loaded.model, pad_id=lesson.wording.pad_id)
    draws = Draws(sampler, markings, lesson.wording, limit, seed=lesson.config.seed)
    loss = ReinforceLoss(tree_states if is_tree else forward, Terms.of(config), draws)
    told = f"{config.samples} to each prompt, of at most {limit} tokens; {sampler.reason}"
    packs = forward is packed_states
    return Way(loss, found, packs, forward, copies=config.samples, is_tree=is_tree, reasons={"answers": told})


@dataclass(frozen=True, slots=True)
class Terms:
    """How answers are learnt from, settled."""

    samples: int
    clip: float
    kl: float
    scale_by_spread: bool

    @classmethod
    def of(cls, config: ReinforceConfig) -> "Terms":
        """As the settings say."""
        return cls(config.samples, config.clip, config.kl, config.scale_by_spread)


@dataclass(frozen=True, slots=True)
class Draws:
    """Answers of the model as it is now, and what they are worth."""

    sampler: Sampler
    markings: Markings
    wording: Wording
    limit: int
    """Most tokens of an answer."""
    seed: int

    def drawn(self, held: Mapping[int, Worded], *, count: int, step: int) -> list[Drawn]:
        """`count` answers to each prompt; the same for the same weights, seed, step and row number."""
        prompts = [prompt_of(row) for row in held.values() for _ in range(count)]
        seeds = [_seed(self.seed, step, number, place) for number in held for place in range(count)]
        return self._write(prompts, [Sampling(self.limit, 1.0, seed=seed) for seed in seeds])

    def likeliest(self, rows: Sequence[Worded]) -> list[Drawn]:
        """One answer to each prompt, always the likeliest token."""
        return self._write(list(map(prompt_of, rows)), [Sampling(self.limit)] * len(rows))

    def reward(self, row: Worded, answer: Drawn) -> tuple[float, float]:
        """What an answer to a row earns, and what it could have earned."""
        ended = bool(answer.ids) and answer.ids[-1] in self.wording.end_ids
        text = self.wording.decode(tuple(answer.ids[:-1] if ended else answer.ids))
        grading = Grading.of(row.grading)
        marking = self.markings.of(grading)
        return marking.reward(text, grading.golds), marking.most

    def _write(self, prompts: Sequence[tuple[int, ...]], samplings: Sequence[Sampling]) -> list[Drawn]:
        ends, context = self.wording.end_ids, self.wording.context
        return self.sampler.write(prompts, samplings, ends=ends, context=context)


@dataclass(frozen=True, slots=True)
class Lot:
    """What was drawn for one answer."""

    advantage: float
    logp: tuple[float, ...]
    """Of each of its tokens, by the model that wrote it."""


@dataclass(slots=True)
class Tally:
    """What one step came upon."""

    told: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    clipped: int = 0
    """Tokens that would have become too likely, or too unlikely, and so are not learnt from."""
    kl: float = 0.0


class ReinforceLoss:
    """The clipped objective of GRPO, sign turned; the unit of a step's mean is one token of an answer.

    Validation asks for the likeliest answers, and is told by how much they fall short of the best reward; its unit is
    one row.
    """

    def __init__(self, forward: Forward, terms: Terms, draws: Draws) -> None:
        self.forward = forward
        self.terms = terms
        self.draws = draws
        self._lots: dict[str, Lot] = {}
        """By the id of an answer's row."""
        self._tally = Tally()

    def write(self, held: Mapping[int, Worded], *, step: int) -> dict[int, Worded]:
        """The rows to learn from: a group of answers to each prompt."""
        count = self.terms.samples
        drawn = self.draws.drawn(held, count=count, step=step)
        asked = [row for row in held.values() for _ in range(count)]
        found_A2 = np.array([self.draws.reward(row, answer) for row, answer in zip(asked, drawn, strict=True)])
        rewards_GK = found_A2[:, 0].reshape(-1, count)
        gains = advantages(rewards_GK, scale_by_spread=self.terms.scale_by_spread).ravel().tolist()
        numbers = [number * count + place for number in held for place in range(count)]
        rows = {
            number: answered(row, answer, number % count)
            for number, row, answer in zip(numbers, asked, drawn, strict=True)
        }
        lots = [Lot(gain, tuple(answer.logp)) for gain, answer in zip(gains, drawn, strict=True)]
        self._lots = {row.id: lot for row, lot in zip(rows.values(), lots, strict=True)}
        self._tally = Tally(
            {
                "loss": float((found_A2[:, 1] - found_A2[:, 0]).mean()),
                "reward": float(rewards_GK.mean()),
                "even_groups": float((np.ptp(rewards_GK, axis=1) <= EVEN).mean()),
                "answer_tokens": float(np.mean([len(answer.ids) for answer in drawn])),
            }
        )
        return rows

    def told(self) -> dict[str, float]:
        """Of the last step: its `loss`, by how much rewards fell short of the best; and what else was counted."""
        tally = self._tally
        shares = {"clipped": tally.clipped / max(1, tally.tokens)}
        shares |= {"kl": tally.kl / max(1, tally.tokens)} if self.terms.kl else {}
        return tally.told | shares

    def lot(self, row: Worded) -> Lot:
        """What was drawn for an answer of the last step."""
        return self._lots[row.id]

    def units(self, rows: Sequence[Worded]) -> int:
        """Tokens of answers; of rows that were not answered yet, rows."""
        return sum(sum(row.trained) if row.id in self._lots else 1 for row in rows)

    def sum(self, model: Any, rows: Sequence[Worded], *, reminder: Reminder | None) -> Summed:
        """Differentiable sum over tokens; the reminder's rows share the forward pass."""
        base_T = self._base_logp(model, rows) if self.terms.kl else None
        extra = reminder.rows if reminder is not None else ()
        states, head = self.forward(model, [*(row.ids for row in rows), *extra]), head_weight(model)
        positions, targets, owners = labelled_positions(rows)
        measure = trained_token_loss if head.requires_grad else token_loss
        logp_T = -measure(states[positions], head, targets)
        total = self._faults(rows, logp_T, owners, base_T).sum()
        if reminder is None:
            return Summed(total, None)
        return Summed(total, reminder.divergence(states[-sum(map(len, extra)) :], head))

    def score(self, model: Any, rows: Sequence[Worded]) -> list[float]:
        """By how much the likeliest answer to each row falls short; of a bare text, by which general ability is judged,
        nats.
        """
        if rows[0].grading:
            answers = self.draws.likeliest(rows)
            found = [self.draws.reward(row, answer) for row, answer in zip(rows, answers, strict=True)]
            return [most - reward for reward, most in found]
        _, _, owners = labelled_positions(rows)
        sums = torch.zeros(len(rows), dtype=torch.float64).index_add_(0, owners, -self._logp(model, rows).double())
        return [float(value) for value in sums]

    def _faults(self, rows: Sequence[Worded], logp_T: Tensor, owners_T: Tensor, base_T: Tensor | None) -> Tensor:
        """Of every token: [T]. Rows that were not drawn, on which memory is measured, count as drawn just now."""
        now_T, places = logp_T.detach(), owners_T.bincount(minlength=len(rows)).cumsum(0)[:-1]
        lots = [
            self._lots.get(row.id) or Lot(1.0, tuple(own.tolist()))
            for row, own in zip(rows, now_T.tensor_split(places), strict=True)
        ]
        drawn_T = tensor([value for lot in lots for value in lot.logp], dtype=logp_T.dtype)
        gain_T = tensor([lot.advantage for lot in lots], dtype=logp_T.dtype)[owners_T]
        log_ratio_T = logp_T - drawn_T
        fault_T = clipped_faults(log_ratio_T, gain_T, clip=self.terms.clip)
        tally = self._tally
        tally.tokens += len(now_T)
        tally.clipped += int(clipped(log_ratio_T.detach(), gain_T, clip=self.terms.clip).sum())
        if base_T is None:
            return fault_T
        # The ratio makes it an estimate for the model as it is now, and its gradient that of the divergence. Without
        # it, even where it is one, the gradient is that of KL(base || model) (DeepSeek-AI 2025, arXiv:2512.02556).
        drift_T = log_ratio_T.exp() * k3(logp_T, base_T)
        tally.kl += float(drift_T.detach().sum())
        return fault_T + self.terms.kl * drift_T

    def _base_logp(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        with as_base(model):
            return self._logp(model, rows)

    def _logp(self, model: Any, rows: Sequence[Worded]) -> Tensor:
        """Log-likelihood of every learnt token, without gradient: [T]."""
        positions, targets, _ = labelled_positions(rows)
        with torch.no_grad():
            states = self.forward(model, [row.ids for row in rows])[positions]
            return -token_nats(states, head_weight(model), targets)


def advantages(rewards_GK: NDArray[np.float64], *, scale_by_spread: bool) -> NDArray[np.float64]:
    """Reward minus the mean of the group, over its standard deviation (K - 1) if asked for: [G, K]."""
    gain_GK: NDArray[np.float64] = rewards_GK - rewards_GK.mean(axis=1, keepdims=True)
    return gain_GK / (rewards_GK.std(axis=1, ddof=1, keepdims=True) + LEAST_SPREAD) if scale_by_spread else gain_GK


def clipped_faults(log_ratio_T: Tensor, gain_T: Tensor, *, clip: float) -> Tensor:
    """-min(r a, clip(r, 1 - clip, 1 + clip) a) with the ratio r of now to when the token was drawn (Schulman et al.
    2017, arXiv:1707.06347, eq. 7): [T].
    """
    ratio_T = log_ratio_T.exp()
    return -torch.minimum(ratio_T * gain_T, ratio_T.clamp(1 - clip, 1 + clip) * gain_T)


def clipped(log_ratio_T: Tensor, gain_T: Tensor, *, clip: float) -> Tensor:
    """Tokens through which no gradient goes, because the ratio has left its bounds on the side of the gain: [T]."""
    ratio_T = log_ratio_T.exp()
    return ((ratio_T > 1 + clip) & (gain_T > 0)) | ((ratio_T < 1 - clip) & (gain_T < 0))


def k3(logp_T: Tensor, base_T: Tensor) -> Tensor:
    """exp(d) - d - 1 with d = log-likelihood by the base minus by the model: an unbiased estimate of KL(model || base)
    that is never negative, on tokens drawn from the model (Schulman 2020, "Approximating KL Divergence", k3): [T].
    """
    d_T = base_T - logp_T
    return d_T.exp() - d_T - 1


def prompt_of(row: Worded) -> tuple[int, ...]:
    """What the model answers: all that stands before the gold."""
    return row.ids[: row.trained.index(True)]


def answered(row: Worded, answer: Drawn, number: int) -> Worded:
    """The row with an answer in place of its gold."""
    prompt = prompt_of(row)
    learnt = (False,) * len(prompt) + (True,) * len(answer.ids)
    return replace(row, id=f"{row.id}#{number}", ids=(*prompt, *answer.ids), trained=learnt)


def _seed(seed: int, step: int, number: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, step, number, place]).generate_state(1, np.uint64)[0])
