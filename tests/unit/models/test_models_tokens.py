"""Token and span heads: a stream, padded rows and each row alone agree, and others load what was saved."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from tiny_encoders import ENCODERS, SPECIAL, STREAMABLE
from tiny_models import WINDOW, distance, eager, random_rows
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from luthier.errors import UserError
from luthier.models.adapters import AdapterShape, inject, lora_layers, save_adapter
from luthier.models.bases import Base
from luthier.models.load import Loaded, load_model
from luthier.models.tokens import choose_token_logits, padded_token_logits, stream_token_logits
from luthier.models.whole import load_whole, save_whole
from luthier.objectives import objective

PAD = 1
LABELS = ("O", "B-X", "I-X")
PLAIN = {"tag": AutoModelForTokenClassification, "extract": AutoModelForQuestionAnswering}
SHAPE = AdapterShape(rank=3, alpha=6.0)
ROWS = random_rows([5, 11, 2, 8])
SECONDS = [2, 6, 1, 3]


def encoder(kind: str, goal: str) -> nn.Module:
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**SPECIAL, **ENCODERS[kind]}, num_labels=3 if goal == "tag" else 2)
    for name in [name for name in vars(config) if "dropout" in name]:
        setattr(config, name, 0.0)
    return PLAIN[goal].from_config(config, dtype=torch.float32).eval()


def alone(model: Any, rows: Sequence[Sequence[int]], seconds: Sequence[int], *, tells: bool) -> Tensor:
    """Logits of every row by itself, as plain `transformers` computes them."""
    found = []
    for row, second in zip(rows, seconds, strict=True):
        ids = torch.tensor([row])
        types = {"token_type_ids": torch.tensor([[int(place >= second) for place in range(len(row))]])} if tells else {}
        output = model(input_ids=ids, **types)
        logits = output.logits if "logits" in output else torch.stack([output.start_logits, output.end_logits], dim=-1)
        found.append(logits[0])
    return torch.cat(found)


def slopes(model: nn.Module, logits: Tensor) -> Tensor:
    loss = (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum()
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat([part.flatten() for part in found if part is not None])


@pytest.mark.parametrize(
    ("kind", "goal"), [(kind, goal) for kind in STREAMABLE for goal in PLAIN if (kind, goal) != ("eurobert", "extract")]
)
def test_stream_padded_and_alone_agree(kind: str, goal: str) -> None:
    model, rows = encoder(kind, goal), random_rows([5, 3 * WINDOW, 1, 5])
    seconds = [2, 7, 1, 5]
    with eager(model):
        expected = alone(model, rows, seconds, tells=getattr(model.config, "type_vocab_size", 0) > 1)
    wanted = slopes(model, expected)
    for logits in (stream_token_logits(model, rows, seconds), padded_token_logits(model, rows, seconds, pad_id=PAD)):
        assert distance(logits, expected) <= 1e-5
        assert distance(slopes(model, logits), wanted) <= 1e-5


@pytest.mark.parametrize("kind", ENCODERS)
def test_whatever_path_is_chosen_on_short_rows_is_right_on_long_ones(kind: str) -> None:
    model = encoder(kind, "tag")
    logits, reason = choose_token_logits(model, random_rows([3, 5, 2, 4]), pad_id=PAD)
    assert (logits is stream_token_logits) == (kind in STREAMABLE), reason
    with torch.no_grad():
        rows = random_rows([3 * WINDOW, 5, 2 * WINDOW, 1])
        assert distance(logits(model, rows, ()), alone(model, rows, [99] * 4, tells=False)) <= 1e-5


def load(base: Base, goal: str, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Loaded:
    return load_model(base, objective(goal), dtype=dtype, labels=LABELS if goal == "tag" else (), seed=seed)


def disturbed(base: Base, goal: str, *, adapted: bool) -> Loaded:
    loaded = load(base, goal, seed=5)
    generator = torch.Generator().manual_seed(1)
    if adapted:
        inject(loaded.model, SHAPE, skip=loaded.skip, seed=0)
        for _, layer in lora_layers(loaded.model):
            nn.init.normal_(layer.lora_B, std=0.5, generator=generator)
    for head in loaded.heads:
        for weight in loaded.model.get_submodule(head).parameters():
            nn.init.normal_(weight, std=0.5, generator=generator)
    loaded.model.eval()
    return loaded


@torch.no_grad()
def logits(model: Any) -> Tensor:
    return padded_token_logits(model, ROWS, SECONDS, pad_id=PAD)


def plain(folder: Path, goal: str) -> Any:
    extra = {"num_labels": len(LABELS)} if goal == "tag" else {}
    return PLAIN[goal].from_pretrained(str(folder), dtype=torch.float32, **extra).eval()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers by an old name
@pytest.mark.parametrize("goal", sorted(PLAIN))
def test_peft_loads_a_saved_adapter_and_transformers_what_it_merged(
    make_base: Callable[[str], Base], tmp_path: Path, goal: str
) -> None:
    base = make_base("bert")
    loaded = disturbed(base, goal, adapted=True)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(folder, loaded.model, shape=SHAPE, base_name="tiny", heads=loaded.heads, task=loaded.task)
    expected = logits(loaded.model)
    theirs = PeftModel.from_pretrained(plain(base.folder, goal), str(folder)).eval()
    # For questions the wrapper itself drops `token_type_ids` on the way.
    assert float((logits(theirs.get_base_model()) - expected).abs().max()) <= 1e-4
    theirs.merge_and_unload().save_pretrained(tmp_path / "merged")
    assert float((logits(plain(tmp_path / "merged", goal)) - expected).abs().max()) <= 1e-4
    assert float((logits(plain(base.folder, goal)) - expected).abs().max()) > 1e-2


@pytest.mark.parametrize("goal", sorted(PLAIN))
def test_plain_transformers_loads_a_model_that_was_tuned_whole(
    make_base: Callable[[str], Base], tmp_path: Path, goal: str
) -> None:
    base = make_base("bert")
    loaded = disturbed(base, goal, adapted=False)
    save_whole(tmp_path, loaded.model)
    expected = logits(loaded.model)
    theirs = PLAIN[goal].from_pretrained(str(tmp_path)).eval()
    assert float((logits(theirs) - expected).abs().max()) <= 1e-6
    if goal == "tag":
        assert theirs.config.id2label == dict(enumerate(LABELS))
    again = load_whole(tmp_path, base, objective(goal), labels=LABELS if goal == "tag" else ())
    assert torch.equal(logits(again.model.eval()), expected)


@pytest.mark.parametrize("goal", sorted(PLAIN))
def test_the_head_computes_in_float32_over_a_narrow_encoder(make_base: Callable[[str], Base], goal: str) -> None:
    loaded = load(make_base("bert"), goal, dtype=torch.bfloat16)
    heads = [weight for head in loaded.heads for weight in loaded.model.get_submodule(head).parameters()]
    assert {weight.dtype for weight in heads} == {torch.float32}
    assert next(loaded.model.base_model.parameters()).dtype == torch.bfloat16
    wide = load(make_base("bert", "wide"), goal)
    assert float((logits(loaded.model.eval()) - logits(wide.model.eval())).abs().max()) < 0.05


@pytest.mark.parametrize("goal", sorted(PLAIN))
def test_a_decoder_is_refused(make_base: Callable[[str], Base], goal: str) -> None:
    with pytest.raises(UserError, match="needs an encoder"):
        load(replace(make_base("llama")), goal)
