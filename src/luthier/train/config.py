"""Settings of the train stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.artifacts.folders import stage_key
from luthier.config import Settings
from luthier.graders.marking import GraderConfig

VERSION = 4
"""Rises when training writes something else from the same inputs."""

Auto = Literal["auto"]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class AdapterConfig(Settings):
    """LoRA on all linear layers (Hu et al. 2021, arXiv:2106.09685)."""

    variant: Literal["lora", "rslora", "dora"] | Auto = "auto"
    """rslora divides alpha by the square root of the rank, for high ranks; dora also learns the length of each output's
    weights, and is slower."""
    rank: Count | Auto = "auto"
    alpha: Positive | Auto = "auto"
    """Scale of the adapter is alpha / rank, with rslora alpha / sqrt(rank)."""
    dropout: Share | Auto = "auto"
    lora_plus: Annotated[float, Field(ge=1)] = 1.0
    """LoRA+ (Hayou et al. 2024, arXiv:2402.12354): the rate of B is so many times that of A. 16 is usual, 1 is off."""
    modules_to_save: tuple[str, ...] = Field(default=(), strict=False)
    """Modules that are trained whole beside the adapter, such as embed_tokens, by their names in the base."""
    quantize: Literal["none", "nf4"] = "none"
    """nf4 keeps the frozen base in 4 bits (QLoRA: Dettmers et al. 2023, arXiv:2305.14314), where the device can."""


class ReinforceConfig(Settings):
    """GRPO (Shao et al. 2024, arXiv:2402.03300): the model's own answers to a prompt are graded and compared."""

    graders: tuple[GraderConfig, ...] = Field(default=(GraderConfig(grader="exact"),), min_length=1, strict=False)
    """What judges the answers to rows that name no graders of their own: grader, weight, options of each. The reward is
    the sum."""
    samples: int = Field(default=8, ge=2)
    """Answers that are written to each prompt and compared with each other."""
    answer_tokens: Count | Auto = "auto"
    """Most tokens of an answer. `auto`: the longest gold plus 8, at least 16."""
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """By how much an answer's tokens may become likelier or less likely than when they were drawn."""
    kl: NotNegative = 0.0
    """Strength of the tie to the base on these answers. 0: none, replay holds on to the base."""
    scale_by_spread: bool = False
    """Divide by the standard deviation of a group's rewards as well: prompts that are nearly always, or nearly never,
    answered well then weigh more (Liu et al. 2025, arXiv:2503.20783, section 3.1)."""


class TrainConfig(Settings):
    """How the base is trained further."""

    method: Literal["lora", "full"] = "lora"
    """What trains: an adapter over the frozen base, or every weight of it."""
    freeze_layers: int = Field(default=0, ge=0)
    """The first so many layers, and the embeddings below them, stay as the base has them."""
    epochs: Positive | Auto = "auto"
    learning_rate: NotNegative | Auto | Literal["search"] = "auto"
    """`search`: short runs with five rates around that of `auto`, judged on validation; costs about half a run."""
    batch_tokens: Count | Auto = "auto"
    """Real tokens per optimizer step."""
    micro_batch_tokens: Count | Auto = "auto"
    """Real tokens computed at once; decides peak memory. `auto`: 1,024, or fewer if they do not fit."""
    checkpoint_activations: Literal["auto", "on", "off"] = "auto"
    """Keep only what goes into each layer and compute the rest again: a third slower, and far less memory. `auto`:
    where the run does not fit otherwise."""
    share_prefixes: Literal["auto", "on", "off"] = "auto"
    """Compute what rows begin with once; `auto`: where that saves more than 10 % of the tokens."""
    warmup: Share = 0.05
    """Share of all steps."""
    weight_decay: NotNegative = 0.01
    clip: Positive = 1.0
    """Largest gradient norm."""
    patience: Count = 3
    """Validations in a row, clearly worse than the best, after which training stops early."""
    checkpoint_minutes: NotNegative = 1.0
    """At most this much work is lost in a crash."""
    keep_checkpoints: Count = 2
    adapter: AdapterConfig = AdapterConfig()
    scale: NotNegative | Auto = "auto"
    """Factor on what was learnt (the adapter, or tuned minus base weights) that ships; `auto` takes the largest of
    0.25, 0.5, 0.75, 1 that is not clearly worse than another on validation and keeps general ability."""
    replay: NotNegative = 0.1
    """Tokens of the base's own writing, as a share of trained tokens, on which the model must stay close to the base
    (chat). 0 switches it off."""
    class_weights: Literal["auto", "balanced", "none"] = "auto"
    """Weigh rare labels more (classify). `auto`: where the counts of training rows are very unequal."""
    label_smoothing: Share = 0.0
    """Share of the target that is spread over all labels (classify). 0: off."""
    r_drop: NotNegative = 0.0
    """Weight of the difference between two passes with unlike dropout (classify). 0: off."""
    neftune: NotNegative = 0.0
    """Noise on the vectors of tokens while a decoder learns: alpha of the paper, 5 to 15. 0: off."""
    mask_share: Annotated[float, Field(gt=0, lt=1)] | Auto = "auto"
    """Share of the tokens that fill hides, in whole words. `auto`: 0.15, or 0.3 where there is little text."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: what this machine multiplies faster, measured."""
    preference: Literal["auto", "dpo", "ipo", "orpo", "kto", "simpo"] = "auto"
    """How the better answer is preferred (prefer). `auto`: dpo for pairs, kto for answers rated one by one."""
    beta: Positive | Auto = "auto"
    """Strength of that preference: of the tie to the base (dpo, ipo, kto), of the odds ratio (orpo), of the margin's
    slope (simpo)."""
    margin: NotNegative | Auto = "auto"
    """By how much the better answer must be likelier, in the unit of beta (simpo only)."""
    reinforce: ReinforceConfig = ReinforceConfig()
    """How answers are drawn, graded and learnt from (reinforce)."""
    temperature: Positive | Auto = "auto"
    """Divides the cosines of texts before they compete (embed). `auto`: 0.05."""
    seed: int = Field(default=0, ge=0)
    seeds: Count = 1
    """Trainings, each with the next seed: the best on validation ships, and how much they differ is told."""
    track: list[str] = Field(default=[])
    """Trackers that get every metric while the run goes on: tensorboard, mlflow, wandb, trackio, or an installed entry
    point of `luthier.trackers`. What they cannot take is dropped; nothing of the result depends on them."""

    @model_validator(mode="after")
    def _adapter_needs_lora(self) -> Self:
        if self.method == "full" and self.adapter != AdapterConfig():
            raise ValueError("method: full trains every weight and has no adapter. Remove the settings of 'adapter'")
        return self


def train_key(config: TrainConfig, *, dataset_digest: str, base_digest: str) -> str:
    """Key of the model that these inputs make."""
    return stage_key(
        "model",
        version=VERSION,
        settings=config.model_dump(exclude={"track"}),
        inputs={"dataset": dataset_digest, "base": base_digest},
    )
