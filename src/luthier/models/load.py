"""Models in memory: the base with the head an objective needs."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.heads import PooledClassifier, in_float32
from luthier.models.pooling import Pooling, read_pooling
from luthier.models.readout import Readout, find_readout
from luthier.objectives import Head, Objective

TOKEN_HEADS: dict[Head, tuple[str, str]] = {
    "token": ("AutoModelForTokenClassification", "TOKEN_CLS"),
    "span": ("AutoModelForQuestionAnswering", "QUESTION_ANS"),
}
"""Heads that speak of every token of an encoder: whose model of `transformers` has them, and what `peft` calls it."""
REWARD = "reward"
"""What the one output of a scalar head is called in the settings of a saved model."""
HEAD_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1e-2}
"""Rounding, relative to the largest logit."""

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and the names of its parts that only training knows."""

    model: Any
    heads: tuple[str, ...]
    """Modules that are new and trained whole (a classifier); saved with the adapter."""
    skip: tuple[str, ...]
    """Modules that get no adapter."""
    task: str
    """What `peft` calls this kind of model."""
    pooling: Pooling | None = None
    """How states become vectors, if that is what the model is for."""
    merges: bool = False
    """Whether an adapter is saved as a part of the model: other trainings start from it."""


def load_model(
    base: Base, objective: Objective, *, dtype: torch.dtype, labels: Sequence[str] = (), seed: int = 0
) -> Loaded:
    """Load a base with the objective's head. A new head starts from `seed`.

    Raises UserError if the base cannot take the head or its files are damaged.
    """
    if objective.needs_decoder and base.architecture != "decoder":
        raise UserError(
            f"objective '{objective.name}' needs a decoder, and base '{base.name}' is an encoder. "
            "Use base: smollm2-135m, or objective: classify"
        )
    if objective.head in {*TOKEN_HEADS, "masked"} and base.architecture != "encoder":
        raise UserError(
            f"objective '{objective.name}' needs an encoder, whose tokens see what stands behind them, and base "
            f"'{base.name}' is a decoder. Use base: minilm-l6"
        )
    if objective.head == "pooled" and base.architecture != "encoder":
        raise UserError(
            f"objective '{objective.name}' needs an encoder, and base '{base.name}' is a decoder. Use base: minilm-l6"
        )
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if objective.head == "causal":
                return _causal(base, dtype)
            if objective.head in TOKEN_HEADS:
                return _tokenwise(base, objective.head, dtype, labels)
            if objective.head == "scalar":
                return _sequence(base, dtype, (REWARD,))
            if objective.head == "pooled":
                return Loaded(_encoder(base, dtype), (), (), "FEATURE_EXTRACTION", read_pooling(base.folder))
            if objective.head == "masked":
                return _masked(base, dtype)
            if base.architecture == "encoder":
                return _pooled(base, dtype, labels)
            return _sequence(base, dtype, labels)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"base '{base.name}' in {base.folder} cannot be loaded: {error}") from error


def _causal(base: Base, dtype: torch.dtype) -> Loaded:
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        str(base.folder), dtype=dtype, output_loading_info=True
    )
    _refuse_gaps(base, sorted(report["missing_keys"]))
    ids = torch.tensor([[0, 1, 2]])
    with torch.no_grad():
        states, logits = backbone(model)(input_ids=ids).last_hidden_state[0], model(input_ids=ids).logits[0].float()
        model.readout = find_readout(model, states, logits, tolerance=HEAD_TOLERANCE[dtype])
    settings = sorted(model.config.to_dict().items())
    caps = [f"{name}: {value}" for name, value in settings if "softcap" in name and "attn" not in name and value]
    if model.readout is None or caps:
        raise UserError(
            f"base '{base.name}': its output layer does more than multiply, scale and add a bias"
            f"{f' ({caps[0]})' if caps else ''}, and likelihoods would be wrong. Choose another base."
        )
    return Loaded(model=model, heads=(), skip=("lm_head", "embed_out"), task="CAUSAL_LM")


def _masked(base: Base, dtype: torch.dtype) -> Loaded:
    model, report = transformers.AutoModelForMaskedLM.from_pretrained(
        str(base.folder), dtype=dtype, output_loading_info=True
    )
    encoder, missing = model.base_model_prefix, sorted(report["missing_keys"])
    _refuse_gaps(base, [name for name in missing if name.startswith(f"{encoder}.")])
    parts = tuple(name for name, part in model.named_children() if name != encoder and list(part.parameters()))
    new = tuple(part for part in parts if any(name.startswith(f"{part}.") for name in missing))
    return Loaded(model=model, heads=new, skip=parts, task="MASKED_LM", merges=True)


def _encoder(base: Base, dtype: torch.dtype) -> Any:
    encoder, report = transformers.AutoModel.from_pretrained(str(base.folder), dtype=dtype, output_loading_info=True)
    _refuse_gaps(base, sorted(name for name in report["missing_keys"] if not name.startswith("pooler.")))
    if hasattr(encoder, "pooler"):
        encoder.pooler = None  # reads the first token alone, and nobody asks it
    return encoder


def _pooled(base: Base, dtype: torch.dtype, labels: Sequence[str]) -> Loaded:
    model = PooledClassifier(_encoder(base, dtype), labels=len(labels))
    return Loaded(model=model, heads=("classifier",), skip=("classifier",), task="FEATURE_EXTRACTION")


def _sequence(base: Base, dtype: torch.dtype, labels: Sequence[str]) -> Loaded:
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        str(base.folder),
        dtype=dtype,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        output_loading_info=True,
    )
    # A decoder finds the last token of a text by this id; rows are padded with the wording's.
    model.config.pad_token_id = load_wording(base.folder).pad_id
    missing = sorted(report["missing_keys"])
    encoder = f"{model.base_model_prefix}."
    _refuse_gaps(base, [name for name in missing if name.startswith(encoder) and ".pooler." not in name])
    heads = [name for name, _ in model.named_children() if name in {"classifier", "score", "pre_classifier"}]
    # What the base's file does not hold starts at random, so it is learnt whole and travels with the adapter.
    fresh = {name.rpartition(".")[0] for name in missing if name.split(".")[0] not in heads}
    heads += sorted(fresh)
    return Loaded(model=model, heads=tuple(heads), skip=tuple(heads), task="SEQ_CLS")


def _tokenwise(base: Base, head: Head, dtype: torch.dtype, labels: Sequence[str]) -> Loaded:
    kind, task = TOKEN_HEADS[head]
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: place for place, label in enumerate(labels)}}
    model, report = getattr(transformers, kind).from_pretrained(
        str(base.folder), dtype=dtype, output_loading_info=True, **(named if labels else {})
    )
    encoder = model.base_model_prefix
    _refuse_gaps(base, sorted(name for name in report["missing_keys"] if name.startswith(f"{encoder}.")))
    heads = tuple(name for name, part in model.named_children() if name != encoder and list(part.parameters()))
    for name in heads:
        in_float32(model.get_submodule(name))
    return Loaded(model=model, heads=heads, skip=heads, task=task)


def _refuse_gaps(base: Base, missing: Sequence[str]) -> None:
    if missing:
        raise UserError(
            f"base '{base.name}': its files lack {len(missing)} of the model's weights, the first is {missing[0]}. "
            "Copy the folder again, or choose another base."
        )


def backbone(model: Any) -> nn.Module:
    """The part of a causal model that ends in hidden states; UserError if it is nowhere to be found."""
    inner = model.base_model if model.base_model is not model else getattr(model, "model", None)
    if not isinstance(inner, nn.Module):
        raise UserError(f"{type(model).__name__}: this architecture hides its hidden states. Choose another base.")
    return inner


def head_weight(model: Any) -> Tensor:
    """[V, E] of a causal model's output layer, by which states are multiplied to be its logits (`readout.py`)."""
    readout: Readout | None = getattr(model, "readout", None)
    if readout is not None and readout.wide_VE is not None:
        return readout.wide_VE
    weight: Tensor = model.get_output_embeddings().weight
    return weight
