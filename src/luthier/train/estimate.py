"""How much memory a run needs, found out before its first step, and what is done if there is less."""

# T tokens, E embedding

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from luthier.artifacts.kept import keep, read_kept
from luthier.artifacts.worded import IntArray
from luthier.compute.memory import memory, most_resident, resident
from luthier.config import Resolved
from luthier.errors import UserError
from luthier.models.adapters import lora_layers
from luthier.models.footprint import Footprint, footprint, learning_layers
from luthier.models.load import head_weight
from luthier.models.machine import KEPT_PRODUCTS, return_freed_memory
from luthier.models.recompute import recompute_layers
from luthier.records import Listener, Worded
from luthier.train.batches import micro_batches, plan_steps
from luthier.train.learner import Dress, Loss, as_it_is
from luthier.train.prefixes import SAMPLE, Bundles, groves
from luthier.train.replay import LENGTH, Reminder, Replay
from luthier.train.rows import sizes_of

LOOK = 512
"""Rows, evenly spread, whose steps show how full micro-batches are."""
LARGEST = 2048
"""Tokens that are computed to measure; what more of them take is extrapolated."""
SMALLEST = 128
"""Tokens of the smallest micro-batch that is tried."""
MOMENTS = 12
"""Bytes for each trained number: its gradient and two moments, float32 (AdamW)."""
ALLOCATED = 1.05
"""What the allocator takes for a byte of tensors where micro-batches are alike and find the blocks of the last one."""
SCATTERED = 1.25
"""The same where they are not: a freed block that is a little too small stays empty."""
LIBRARIES = 96 << 20
"""Code and workspaces that the libraries take when they first learn."""
COMPILED = KEPT_PRODUCTS << 20
"""What oneDNN comes to keep where micro-batches are of many sizes: about 1 MiB for each compiled product."""
SPARE = 0.95
"""Share of the available memory that may be planned with."""
Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that a run needs at its worst moment."""

    held: int
    """Python, libraries and the model, as they are now."""
    trained: int
    """Gradients, moments and master copies of what is trained."""
    activations: int
    """What the heaviest micro-batch keeps and works with."""
    before: int = 0
    """The most that was needed so far, to load the model."""
    sampling: int = 0
    """What the base takes to write what it is to be reminded of."""
    scattered: bool = False
    """Whether micro-batches are of unlike sizes."""

    @property
    def peak(self) -> int:
        """Largest resident size of the process."""
        share, compiled = (SCATTERED, COMPILED) if self.scattered else (ALLOCATED, 0)
        working = max(round(share * self.activations), self.sampling)
        return max(self.before, self.held + self.trained + LIBRARIES + compiled + working)

    def words(self) -> str:
        """For a person."""
        return (
            f"{gigabytes(self.peak)}: {gigabytes(self.held)} for the model and the libraries, "
            f"{gigabytes(self.trained)} for gradients and optimizer, {gigabytes(self.activations)} for activations"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to compute, and the memory that it takes."""

    tokens: Resolved[int]
    """Of a micro-batch."""
    recompute: Resolved[bool]
    """Whether layers are checkpointed."""
    estimate: Estimate


class Piece(NamedTuple):
    """A micro-batch."""

    rows: list[int]
    tokens: int
    """That are computed."""
    of: int
    """Micro-batches in its step."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be learnt, as far as memory depends on it."""

    model: Any
    loss: Loss
    rows: Sequence[Worded]
    batch_tokens: int
    replay: Replay | None
    padded: bool
    """Whether rows of a micro-batch are padded to one length."""
    dress: Dress = as_it_is
    bundles: Bundles | None = None
    """What steps are made of, if rows that begin alike are computed as trees."""

    def estimate(self, tokens: int, recompute: bool) -> Estimate:
        """Memory with micro-batches of this many tokens."""
        return_freed_memory()
        held = resident()
        recompute_layers(self.model, active=recompute)
        lengths = sizes_of(self.rows).lengths
        if self.bundles is None:
            heaviest = heaviest_pieces(lengths, batch=self.batch_tokens, tokens=tokens, padded=self.padded)
        else:
            heaviest = [heaviest_tree(self.rows, self.bundles, batch=self.batch_tokens, tokens=tokens)]
        needed = max(map(self._needed, heaviest))
        # The first step is reminded of nothing, so with replay no two steps need be alike.
        trained, scattered = (
            _trained_bytes(self.model),
            self.replay is not None or int(lengths.min()) < int(lengths.max()),
        )
        sampling = self.replay.sampling_bytes() if self.replay is not None else 0
        return Estimate(held, trained, round(needed), most_resident(), sampling, scattered)

    def _needed(self, piece: Piece) -> float:
        rows = [self.rows[place] for place in piece.rows]
        step = max(piece.tokens, self.batch_tokens)
        reminded = -(-max(1, round(self.replay.share * step / LENGTH)) // piece.of) if self.replay else 0
        layers = learning_layers(self.model)
        if piece.tokens <= LARGEST:
            return self._footprint(rows, reminded).of(layers)
        held = sum(len(row.ids) for row in rows)
        parts = (_last(rows, part * held // piece.tokens) for part in (LARGEST // 2, LARGEST))
        half, whole = (self._footprint(part, reminded).of(layers) for part in parts)
        return whole + (piece.tokens - LARGEST) * (whole - half) / (LARGEST // 2)

    def _footprint(self, rows: Sequence[Worded], reminded: int) -> Footprint:
        reminder = _reminder(self.model, reminded) if reminded else None
        rows = [self.dress(row, 0) for row in rows]

        def learn() -> Tensor:
            summed = self.loss.sum(self.model, rows, reminder=reminder)
            return summed.nats if summed.drift is None else summed.nats + summed.drift

        return footprint(self.model.train(), learn)


def heaviest_pieces(lengths: IntArray, *, batch: int, tokens: int, padded: bool) -> list[Piece]:
    """The largest micro-batch to be expected.

    Where rows are padded, also those of the one with the longest row: attention takes the square of its length.
    """
    spread = np.linspace(0, len(lengths) - 1, LOOK).astype(np.int64)
    sample = np.unique(np.append(spread, lengths.argmax()))
    sizes = lengths[sample]
    steps = plan_steps(sizes, epochs=1.0, batch_tokens=batch, seed=0)
    cut = [micro_batches(step.rows, sizes, tokens=tokens, padded=padded) for step in steps]
    found = [Piece(piece, int(sizes[piece].sum()), len(pieces)) for pieces in cut for piece in pieces]
    heaviest = [max(found, key=lambda piece: piece.tokens)]
    longest = max(found, key=lambda piece: int(sizes[piece.rows].max()))
    if padded and longest not in heaviest:
        heaviest.append(longest)
    return [piece._replace(rows=sample[piece.rows].tolist()) for piece in heaviest]


def heaviest_tree(rows: Sequence[Worded], bundles: Bundles, *, batch: int, tokens: int) -> Piece:
    """The largest micro-batch to be expected of rows that are computed as trees, from steps evenly spread."""
    steps = plan_steps(bundles.sizes, epochs=1.0, batch_tokens=batch, seed=0, members=bundles.members)
    found = []
    for place in np.unique(np.linspace(0, len(steps) - 1, SAMPLE).astype(int)).tolist():
        trees = groves({row: rows[row] for row in steps[place].rows}, tokens=tokens, apart=bundles.apart)
        found += [Piece(tree.rows, sum(tree.added), len(trees)) for tree in trees]
    return max(found, key=lambda piece: piece.tokens)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a run is asked to compute."""

    micro_batch_tokens: Resolved[int]
    may_shrink: bool
    """Whether the micro-batch may be made smaller."""
    checkpoint_activations: Switch


def plan_memory(workload: Workload, wish: Wish, *, kept: Path, listener: Listener) -> Plan:
    """Find a way to compute that fits into memory: smaller micro-batches first, then checkpointing.

    What was found is kept beside the checkpoints: a resumed run computes as it began. UserError names three settings
    to change if nothing fits.
    """
    before = read_kept(kept, listener=listener)
    if before is not None:
        wish = _as_before(before)
    room = available_room()
    found = find_plan(workload.estimate, wish, room=room)
    if isinstance(found, Estimate):
        assert room is not None
        raise _refusal(workload, wish, found, room=room)
    recompute_layers(workload.model, active=found.recompute.value)
    keep(kept, {"tokens": asdict(found.tokens), "recompute": asdict(found.recompute)})
    return found


def find_plan(estimate: Callable[[int, bool], Estimate], wish: Wish, *, room: int | None) -> Plan | Estimate:
    """The first plan that fits into `room` bytes (None: nobody knows how many there are), or the smallest estimate."""
    asked, estimates = wish.micro_batch_tokens, []
    sizes = [asked.value]
    while wish.may_shrink and sizes[-1] // 2 >= SMALLEST:
        sizes.append(sizes[-1] // 2)
    for recompute in {"auto": (False, True), "on": (True,), "off": (False,)}[wish.checkpoint_activations]:
        for size in sizes:
            estimates.append(estimate(size, recompute))
            if room is not None and estimates[-1].peak > room:
                continue
            why = f"{asked.value} tokens at once would need {gigabytes(estimates[0].peak)}"
            tokens = asked if size == asked.value else Resolved(size, why)
            reason = "set in the project file"
            if wish.checkpoint_activations == "auto":
                reason = f"{why} without it" if recompute else "the run fits without it"
            return Plan(tokens, Resolved(recompute, reason), estimates[-1])
    return min(estimates, key=lambda each: each.peak)


def available_room() -> int | None:
    """Bytes that this process may come to hold; None if nobody tells."""
    found = memory()
    return None if found is None else resident() + int(SPARE * found.available)


def _as_before(kept: dict[str, Any]) -> Wish:
    return Wish(Resolved(**kept["tokens"]), False, "on" if kept["recompute"]["value"] else "off")


def _refusal(workload: Workload, wish: Wish, smallest: Estimate, *, room: int) -> UserError:
    model, longest = workload.model, int(sizes_of(workload.rows).lengths.max())
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    tokens = wish.micro_batch_tokens.value
    half = smallest.activations // 2
    worth = {"base: a smaller one": weights // 2}
    if longest > SMALLEST:
        worth[f"prepare.max_length: {longest // 2} (the longest row has {longest:,} tokens)"] = half
    if tokens > longest:
        worth[f"train.micro_batch_tokens: {tokens // 2}"] = half
    if wish.checkpoint_activations == "off":
        less = smallest.peak - workload.estimate(tokens, True).peak
        worth["train.checkpoint_activations: on"] = less
    if next(model.parameters()).dtype == torch.float32:
        worth["train.dtype: bfloat16"] = weights // 2 + half
    if any(True for _ in lora_layers(model)):
        worth["train.adapter.rank: 4"] = smallest.trained // 2
    else:
        worth["train.method: lora"] = smallest.trained
    best = sorted(worth.items(), key=lambda each: -each[1])[:3]
    lines = [f"  {name} saves about {gigabytes(size)}" for name, size in best]
    return UserError(
        f"training needs about {smallest.words()}. There are {gigabytes(room)}. Change one of these, or free memory:\n"
        + "\n".join(lines)
    )


def gigabytes(size: float) -> str:
    """Bytes for a person."""
    return f"{size / 1e9:.1f} GB"


def _reminder(model: Any, rows: int) -> Reminder:
    """One of the usual size."""
    head, length = head_weight(model).detach(), LENGTH + 1
    states = torch.zeros(length, head.shape[1], dtype=head.dtype)
    return Reminder(((0,) * length,) * rows, (states,) * rows, head, rows * length)


def _trained_bytes(model: Any) -> int:
    weights: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
    masters = sum(4 * weight.numel() for weight in weights if weight.dtype != torch.float32)
    return MOMENTS * sum(weight.numel() for weight in weights) + masters


def _last(rows: Sequence[Worded], tokens: int) -> list[Worded]:
    """The last rows, and the last part of one, that hold this many tokens: answers stand at the end. A row whose places
    are told, such as a label of each word, stays whole."""
    kept: list[Worded] = []
    for row in reversed(rows):
        if tokens > 0:
            kept.append(end_of_row(row, tokens))
            tokens -= len(row.ids)
    return kept


def end_of_row(row: Worded, tokens: int) -> Worded:
    """The last part of a row. Several texts lose as much at their beginnings, and so what they share goes first."""
    if row.labels and (row.ends or any(row.trained)):
        return row  # its labels are places in it, or belong to them
    if not row.ends:
        return replace(row, ids=row.ids[-tokens:], trained=row.trained[-tokens:])
    starts, least = (0, *row.ends), min(map(len, row.texts)) - 2
    cut = min(least, max(0, len(row.ids) - tokens) // len(row.ends))
    places = [place for start, end in pairwise(starts) for place in range(start + cut, end)]
    ends = tuple(end - cut * number for number, end in enumerate(row.ends, start=1))
    ids, trained = tuple(row.ids[place] for place in places), tuple(row.trained[place] for place in places)
    return replace(row, ids=ids, trained=trained, ends=ends)
