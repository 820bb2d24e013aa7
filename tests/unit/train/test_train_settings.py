"""Settings that make no sense are named, and `auto` settles within its limits."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.config import load_settings
from luthier.errors import UserError
from luthier.models.adapters import AdapterShape
from luthier.objectives import OBJECTIVES, objective
from luthier.train.auto import MAX_EPOCHS, STEPS, resolve
from luthier.train.batches import plan_steps
from luthier.train.config import TrainConfig, train_key


@pytest.mark.parametrize(
    "wrong",
    [
        *("epochs=0", "epochs=-1", "epochs=many", "learning_rate=-0.1", "batch_tokens=0", "micro_batch_tokens=0"),
        *("warmup=1", "weight_decay=-1", "clip=0", "patience=0", "keep_checkpoints=0", "checkpoint_minutes=-1"),
        *("adapter.variant=lorax", "adapter.lora_plus=0.5", "adapter.quantize=int8", "freeze_layers=-1"),
        *("adapter.rank=0", "adapter.alpha=0", "adapter.dropout=1", "scale=-1", "replay=-0.1", "seed=-1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("seed: 1\n")
    assert load_settings(TrainConfig, file, overrides=["learning_rate=0", "epochs=0.5"]).epochs == 0.5
    with pytest.raises(UserError, match=wrong.partition("=")[0]):
        load_settings(TrainConfig, file, overrides=[wrong])


@given(
    lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=300),
    name=st.sampled_from(sorted(OBJECTIVES)),
    hidden=st.integers(64, 8192),
)
def test_auto_asks_for_neither_too_much_nor_nothing(lengths: list[int], name: str, hidden: int) -> None:
    goal = objective(name)
    choices = resolve(TrainConfig(), lengths, objective=goal, hidden=hidden)
    assert 1 <= choices.epochs.value <= MAX_EPOCHS[goal.head]
    assert 1024 <= choices.batch_tokens.value <= 8192
    assert 1e-5 < choices.learning_rate.value < 0.1
    assert choices.adapter is not None
    assert choices.adapter.alpha.value == 2 * choices.adapter.rank.value
    steps = plan_steps(lengths, epochs=choices.epochs.value, batch_tokens=choices.batch_tokens.value, seed=0)
    # Steps are cut between rows, so they hold less than a batch; a long row needs a step of its own.
    assert len(steps) <= 2 * max(STEPS[goal.head], 2 * sum(lengths) / 8192 + 1, len(lengths))
    for row in choices.as_rows().values():
        assert row["reason"]


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_tuning_every_weight_takes_a_tenth_of_the_rate_of_an_adapter(name: str) -> None:
    lengths = [100] * 200
    full, lora = (
        resolve(TrainConfig(method=method), lengths, objective=objective(name), hidden=576)
        for method in ("full", "lora")
    )
    assert full.adapter is None
    assert "rank" not in full.as_rows()
    assert lora.learning_rate.value == pytest.approx(10 * full.learning_rate.value, rel=0.05)
    assert "full fine-tuning" in full.learning_rate.reason


def test_tuning_every_weight_has_no_adapter_to_set(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("method: full\nadapter: {rank: 4}\n")
    with pytest.raises(UserError, match="Remove the settings of 'adapter'"):
        load_settings(TrainConfig, file)


@pytest.mark.parametrize("rank", [4, 16, 64])
def test_auto_gives_variants_their_scale(rank: int) -> None:
    """rsLoRA starts where LoRA does at rank 16; with LoRA+, the rates of A and B lie around the usual one."""
    found = {}
    for name, adapter in {"lora": {}, "rslora": {"variant": "rslora"}, "plus": {"lora_plus": 16.0}}.items():
        config = TrainConfig.model_validate({"adapter": {"rank": rank, **adapter}})
        choices = resolve(config, [100] * 200, objective=objective("chat"), hidden=576)
        assert choices.adapter is not None
        shape = AdapterShape(rank, choices.adapter.alpha.value, variant=choices.adapter.variant.value)
        found[name] = (shape.scale, choices.learning_rate.value)
    assert found["lora"][0] == 2
    assert found["rslora"][0] == pytest.approx(2 * (16 / rank) ** 0.5)
    assert found["plus"][1] == pytest.approx(found["lora"][1] / 4, rel=0.05)


def test_what_is_set_is_used_and_changes_the_key() -> None:
    plain = TrainConfig()
    asked = TrainConfig.model_validate(
        {
            "epochs": 2.5,
            "learning_rate": 0.0,
            "batch_tokens": 7,
            "micro_batch_tokens": 5,
            "adapter": {
                "variant": "dora",
                "rank": 3,
                "alpha": 1.5,
                "dropout": 0.25,
                "lora_plus": 8.0,
                "modules_to_save": ["lm_head"],
            },
        }
    )
    choices = resolve(asked, [10], objective=objective("chat"), hidden=64)
    found = {name: row["value"] for name, row in choices.as_rows().items()}
    assert found == {
        "epochs": 2.5,
        "learning_rate": 0.0,
        "batch_tokens": 7,
        "micro_batch_tokens": 5,
        "variant": "dora",
        "rank": 3,
        "alpha": 1.5,
        "dropout": 0.25,
        "lora_plus": 8.0,
        "modules_to_save": ("lm_head",),
        "checkpoint_activations": False,
        "share_prefixes": False,
    }
    keys = {
        train_key(config, dataset_digest=dataset, base_digest=base)
        for config in (plain, asked)
        for dataset in "ab"
        for base in "cd"
    }
    assert len(keys) == 8
    assert train_key(plain, dataset_digest="a", base_digest="c") in keys
