"""What a training run needs before its first step: model, loss, settled settings, replay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from luthier.artifacts.folders import DatasetDir
from luthier.artifacts.kept import keep, read_kept
from luthier.artifacts.worded import IntArray, WordedTable
from luthier.config import Resolved
from luthier.graders.marking import Markings
from luthier.models.adapters import AdapterShape
from luthier.models.bases import Base
from luthier.models.chat import Wording
from luthier.models.dropout import quicken_dropout
from luthier.models.forward import Forward
from luthier.models.freeze import lower_modules
from luthier.models.load import Loaded, backbone, head_weight, load_model
from luthier.models.machine import faster_dtype
from luthier.objectives import objective
from luthier.records import Listener, Tick, Worded
from luthier.train.auto import AdapterChoices, Choices, resolve
from luthier.train.batches import Cut, cut_by_length, cut_packed
from luthier.train.config import TrainConfig
from luthier.train.estimate import Estimate, Plan, Wish, Workload, plan_memory
from luthier.train.learner import Learner, Pace, RemembersBase, as_it_is
from luthier.train.losses.way import Way
from luthier.train.losses.ways import WAYS
from luthier.train.method import Full, Lora, Method
from luthier.train.options import refuse_unused
from luthier.train.prefixes import Beginnings, Sharing, choose_sharing, cut_by_tree, plan_sharing
from luthier.train.receipts import RowReceipts
from luthier.train.replay import Replay, Writer, replay_prompts
from luthier.train.rows import StoredRows, first_rows, store_rows
from luthier.train.validation import HELD, HeldOut

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SAMPLE = 4
"""Rows on which the packed path is checked against the padded one."""
SAMPLE_TOKENS = 64
"""Tokens of each of them: whether rows see each other does not depend on their length."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked."""

    dataset: DatasetDir
    base: Base
    config: TrainConfig
    wording: Wording
    scratch: Path
    listener: Listener
    plan: Mapping[str, Any] | None = None
    """How the model will be judged, settled before the first step; None: it was not."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A run that is ready to start."""

    config: TrainConfig
    learner: Learner
    loaded: Loaded
    method: Method
    choices: Choices
    reasons: dict[str, str]
    """Decisions about this machine and this architecture, in words."""
    receipts: dict[str, dict[str, Any]]
    """What the receipts found while the rows were read."""
    held_out: HeldOut
    sharing: Sharing | None
    """Which rows stay together because they begin alike; None if nothing is shared."""
    memory: Estimate
    listener: Listener


def set_up(job: Job) -> Setup:
    """Load the base, make ready what trains, settle every `auto` and sample the replay rows."""
    facts = job.dataset.manifest.facts
    asked = objective(str(facts["objective"]))
    refuse_unused(job.config, asked, job.base)
    labels = tuple(facts.get("labels") or ())
    markings = Markings(job.config.reinforce.graders) if asked.record == "graded" else None
    receipts = RowReceipts(asked, wording=job.wording, labels=labels, markings=markings)
    beginnings = Beginnings(apart=asked.apart)
    held_out = HeldOut(first_rows(job.dataset.file("validation.parquet"), by_id=HELD))

    def look(table: WordedTable) -> None:
        receipts.check(table)
        beginnings.note(table)
        held_out.note(table)

    rows = store_rows(job.dataset.file("train.parquet"), scratch=job.scratch, check=look)
    found = receipts.counts()
    dtype, why = _dtype(job, narrow=asked.head == "causal" or job.base.architecture == "encoder")
    load = partial(load_model, job.base, asked, dtype=dtype, labels=labels, seed=job.config.seed)
    loaded = load()
    settle = partial(resolve, job.config, objective=asked, hidden=_width(loaded))
    choices = settle(rows.sizes.lengths)
    method = _method(job, loaded, choices.adapter, load=load)
    quicken_dropout(loaded.model)
    sample = [row.ids[:SAMPLE_TOKENS] for row in rows[:SAMPLE]]
    way = WAYS[asked.name](loaded, sample, receipts.lesson(job.config))
    planned = rows.sizes.lengths * way.copies
    choices = settle(planned)
    head = _head_cost(loaded) if asked.head == "causal" else 0.0
    sharing, loss = None, way.loss
    if way.shared is not None or way.refusal is not None:
        sharing, choices = _share(job, rows, beginnings, settle=settle, refusal=way.refusal, head=head)
        loss = way.shared if way.shared is not None and sharing is not None else loss
    replay = _replay(job, loaded, way.forward) if way.forward is not None and job.config.replay > 0 else None
    workload = Workload(
        loaded.model,
        loss,
        rows,
        batch_tokens=choices.batch_tokens.value,
        replay=replay,
        padded=not way.packs and sharing is None,
        dress=way.dress or as_it_is,
        bundles=sharing.bundles if sharing is not None else None,
    )
    plan = _plan_memory(job, workload, choices)
    choices = replace(choices, micro_batch_tokens=plan.tokens, checkpoint_activations=plan.recompute)
    pace = _pace(job.config, choices)
    torch.manual_seed(job.config.seed)
    learner = Learner(loaded.model, rows, loss=loss, pace=pace)
    learner.replay, learner.dress = replay, way.dress or learner.dress
    learner.lengths, learner.counted = planned, planned if sharing is None else sharing.bundles.counted
    learner.cut = _cut(way, sharing, tokens=pace.micro_batch_tokens, apart=asked.apart)
    told = {"dtype": why, "forward": way.reason, **way.reasons}
    return Setup(
        job.config, learner, loaded, method, choices, told, found, held_out, sharing, plan.estimate, job.listener
    )


def _cut(way: Way, sharing: Sharing | None, *, tokens: int, apart: bool) -> Cut:
    if sharing is not None or way.is_tree:
        return partial(cut_by_tree, tokens=tokens, apart=apart)
    return partial(cut_packed if way.packs else cut_by_length, tokens=tokens)


def _pace(config: TrainConfig, choices: Choices) -> Pace:
    return Pace(
        learning_rate=choices.learning_rate.value,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        clip=config.clip,
        micro_batch_tokens=choices.micro_batch_tokens.value,
        lora_plus=config.adapter.lora_plus,
    )


def remember_base(learner: Learner, job: Job, *, validation: Sequence[Worded]) -> None:
    """Work out what the loss needs of a base that will be gone after the first step."""
    if job.config.method == "full" and isinstance(learner.loss, RemembersBase):
        for name, rows in (("train", learner.rows), ("validation", validation)):
            kept = job.scratch / f"reference-{name}"
            learner.loss.remember_base(learner.model, rows, cut=learner.cut, kept=kept, listener=job.listener)


def _method(job: Job, loaded: Loaded, chosen: AdapterChoices | None, *, load: Callable[[], Loaded]) -> Method:
    frozen = lower_modules(loaded.model, layers=job.config.freeze_layers)
    if chosen is None:
        return Full(loaded, reload=load, frozen=frozen)
    whole = chosen.modules_to_save.value
    shape = AdapterShape(chosen.rank.value, chosen.alpha.value, chosen.dropout.value, chosen.variant.value, whole)
    return Lora(loaded, shape, base_name=job.base.hub_name, seed=job.config.seed, frozen=frozen)


def _share(
    job: Job,
    rows: StoredRows,
    beginnings: Beginnings,
    *,
    settle: Callable[[IntArray], Choices],
    refusal: str | None,
    head: float,
) -> tuple[Sharing | None, Choices]:
    """Decide whether what rows begin with is computed once, and settle the steps that this makes."""
    choices = settle(rows.sizes.lengths)
    micro = choices.micro_batch_tokens.value
    sharing, decision = choose_sharing(
        job.config.share_prefixes,
        refusal=refusal,
        plan=lambda: plan_sharing(
            rows,
            beginnings,
            lengths=rows.sizes.lengths,
            batch_tokens=choices.batch_tokens.value,
            micro=[micro, 2 * micro, 4 * micro] if job.config.micro_batch_tokens == "auto" else [micro],
            head=head,
        ),
    )
    if sharing is not None:
        found = Resolved(sharing.micro_batch_tokens, "rows that begin alike meet in it")
        choices = replace(settle(sharing.bundles.sizes), micro_batch_tokens=found)
    return sharing, replace(choices, share_prefixes=decision)


def _plan_memory(job: Job, workload: Workload, choices: Choices) -> Plan:
    asked = choices.micro_batch_tokens
    wish = Wish(asked, job.config.micro_batch_tokens == "auto", job.config.checkpoint_activations)
    plan = plan_memory(workload, wish, kept=job.scratch / "memory.json", listener=job.listener)
    if plan.tokens.value != asked.value or plan.recompute.value:
        told = f"micro-batches of {plan.tokens.value} tokens, checkpointing {'on' if plan.recompute.value else 'off'}"
        job.listener(Tick("train: memory", 0, 0, f"{told}: {plan.recompute.reason}"))
    return plan


def _replay(job: Job, loaded: Loaded, forward: Forward) -> Replay:
    prompts, seed = replay_prompts(job.wording), job.config.seed
    writer = Writer(loaded.model, prompts, job.wording.pad_id, seed, job.scratch, job.listener)
    replay = Replay(writer, forward=forward, share=job.config.replay)
    if job.config.method == "full":
        replay.read_all()  # the base is gone after the first step
    return replay


def _dtype(job: Job, *, narrow: bool) -> tuple[torch.dtype, str]:
    """The compute type; measured once per run, because a resumed run must multiply as it began."""
    if job.config.dtype != "auto":
        return DTYPES[job.config.dtype], "set in the project file"
    if not narrow:
        return torch.float32, "the new head of a decoder computes in its type"
    path = job.scratch / "dtype.json"
    kept = read_kept(path, listener=job.listener)
    if kept is None:
        dtype, why = faster_dtype()
        kept = {"dtype": str(dtype).removeprefix("torch."), "why": why}
        keep(path, kept)
    return DTYPES[kept["dtype"]], kept["why"]


def _width(loaded: Loaded) -> int:
    return int(loaded.model.config.hidden_size)


def _head_cost(loaded: Loaded) -> float:
    """Multiply-adds of the head for a token, relative to those of all layers: as their numbers of weights."""
    inner: Any = backbone(loaded.model)
    embedded: int = inner.get_input_embeddings().weight.numel()
    layers: int = sum(weight.numel() for weight in inner.parameters()) - embedded
    return head_weight(loaded.model).numel() / max(1, layers)
