"""Keep the lower part of a model as the base has it."""

from torch import nn

from luthier.errors import UserError
from luthier.models.footprint import layer_list


def lower_modules(model: nn.Module, *, layers: int) -> tuple[str, ...]:
    """Names of the first `layers` layers, and of the modules with weights that the model has before them: embeddings.

    UserError if the model has no more layers than that, or hides them.
    """
    if layers == 0:
        return ()
    found = layer_list(model)
    if found is None:
        raise UserError("train.freeze_layers: this base's layers cannot be told apart. Set freeze_layers: 0")
    if layers >= len(found):
        raise UserError(
            f"train.freeze_layers: {layers} would leave nothing to learn, because the base has {len(found)} layers. "
            f"Choose at most {len(found) - 1}"
        )
    names = {id(module): name for name, module in model.named_modules()}
    first, frozen = names[id(found[0])], []
    for name, module in model.named_modules():
        if name == first:
            break
        if any(True for _ in module.parameters(recurse=False)):
            frozen.append(name)
    return (*frozen, *(names[id(layer)] for layer in found[:layers]))
