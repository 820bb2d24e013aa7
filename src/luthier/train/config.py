"""Settings of the train stage."""

from typing import Literal

from luthier.artifacts.folders import stage_key
from luthier.config import Settings

VERSION = 1
"""Rises when training writes something else from the same inputs."""

Auto = Literal["auto"]


class AdapterConfig(Settings):
    """LoRA on all linear layers (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int | Auto = "auto"
    alpha: float | Auto = "auto"
    """Scale of the adapter is alpha / rank."""
    dropout: float | Auto = "auto"


class TrainConfig(Settings):
    """How the base is trained further."""

    epochs: float | Auto = "auto"
    learning_rate: float | Auto = "auto"
    batch_tokens: int | Auto = "auto"
    """Real tokens per optimizer step."""
    micro_batch_tokens: int | Auto = "auto"
    """Real tokens computed at once; decides peak memory."""
    warmup: float = 0.05
    """Share of all steps."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest gradient norm."""
    patience: int = 3
    """Validations without a better one before training stops early."""
    checkpoint_minutes: float = 1.0
    """At most this much work is lost in a crash."""
    keep_checkpoints: int = 2
    adapter: AdapterConfig = AdapterConfig()
    scale: float | Auto = "auto"
    """Factor on the adapter that ships; `auto` takes the largest of 0.25, 0.5, 0.75, 1 that keeps general ability."""
    replay: float = 0.1
    """Tokens of the base's own writing, as a share of trained tokens, on which the model must stay close to the base
    (chat). 0 switches it off."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: what this machine multiplies faster, measured."""
    seed: int = 0


def train_key(config: TrainConfig, *, dataset_digest: str, base_digest: str) -> str:
    """Key of the model that these inputs make."""
    return stage_key(
        "model",
        version=VERSION,
        settings=config.model_dump(),
        inputs={"dataset": dataset_digest, "base": base_digest},
    )
