"""Options that only some objectives have: set for another, they would do nothing, and nobody would notice."""

from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.objectives import Objective
from luthier.train.config import TrainConfig

NEEDS = {
    "class_weights": ("classify",),
    "label_smoothing": ("classify",),
    "r_drop": ("classify",),
    "neftune": ("chat", "complete", "classify"),
    "mask_share": ("fill",),
    "reinforce": ("reinforce",),
}
"""Setting -> objectives that have it."""


def refuse_unused(config: TrainConfig, objective: Objective, base: Base) -> None:
    """Raise UserError for a setting that this objective, this base or this device has no use for."""
    if config.adapter.quantize != "none":
        raise UserError(
            f"train.adapter.quantize: {config.adapter.quantize} needs a GPU. This run computes on the processor, which "
            "would widen the base again for every product. Set quantize: none, and dtype: bfloat16 to halve the base's "
            "memory"
        )
    for name, wanted in NEEDS.items():
        if getattr(config, name) == TrainConfig.model_fields[name].default:
            continue
        if objective.name not in wanted:
            raise UserError(
                f"train.{name} is for objective {' and '.join(wanted)}, and does nothing for {objective.name}"
            )
        if name == "neftune" and base.architecture == "encoder":
            raise UserError(
                f"train.{name} is for decoders and does nothing for {objective.name} on an encoder. Remove it"
            )
