"""From the states of a text's tokens to one vector, as sentence-transformers has it on disk."""

# T tokens of all texts, B texts, L longest text, E embedding

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.errors import UserError
from luthier.models.heads import mean_states

MODULES = "modules.json"
POOLING = "1_Pooling/config.json"
KINDS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
"""What a pooling is called, and its key in older files."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """The mean of a text's states or the first of them (Reimers and Gurevych 2019, arXiv:1908.10084, section 3)."""

    kind: Literal["mean", "cls"] = "mean"
    normalise: bool = True
    """Whether vectors have length 1, so that their product is their cosine."""

    def of_stream(self, states_TE: Tensor, lengths: Sequence[int]) -> Tensor:
        """States of texts of these lengths, one behind the other -> float32 [B, E]."""
        if self.kind == "cls":
            return self._scaled(states_TE[torch.tensor([0, *accumulate(lengths)][:-1])])
        return self._scaled(torch.segment_reduce(states_TE.float(), "mean", lengths=torch.tensor(lengths)))

    def of_padded(self, states_BLE: Tensor, mask_BL: Tensor) -> Tensor:
        """States of texts padded on the right -> float32 [B, E]."""
        return self._scaled(states_BLE[:, 0] if self.kind == "cls" else mean_states(states_BLE.float(), mask_BL))

    def _scaled(self, vectors_BE: Tensor) -> Tensor:
        return F.normalize(vectors_BE.float(), dim=1) if self.normalise else vectors_BE.float()


def read_pooling(folder: Path) -> Pooling:
    """How a model folder makes vectors; one that does not say takes normalised means.

    UserError for modules and poolings that would give other vectors than ours.
    """
    if not (folder / MODULES).is_file():
        return Pooling()
    try:
        modules: list[dict[str, Any]] = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        names = [str(module["type"]).rpartition(".")[2] for module in modules]
        if names[:2] != ["Transformer", "Pooling"] or names[2:] not in ([], ["Normalize"]):
            raise UserError(
                f"{folder / MODULES}: makes vectors by {', '.join(names)}; only Transformer, Pooling and Normalize are "
                "known here. Choose another base."
            )
        settings: dict[str, Any] = json.loads((folder / str(modules[1]["path"]) / "config.json").read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: how it makes vectors cannot be read ({error}). Copy the folder again.") from None
    return Pooling(_kind(settings, folder), normalise=len(names) == 3)


def _kind(settings: dict[str, Any], folder: Path) -> Literal["mean", "cls"]:
    told = settings.get("pooling_mode")
    older = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value]
    for kind, key in KINDS.items():
        if told in (kind, [kind]) or (told is None and older == [key]):
            return "mean" if kind == "mean" else "cls"
    raise UserError(
        f"{folder}: pools by {told or ', '.join(older)}; only mean and cls are known here. Choose another base."
    )


def save_pooling(folder: Path, pooling: Pooling, *, width: int, context: int) -> None:
    """Write what sentence-transformers needs beside a model: modules, pooling, and the longest text in tokens."""
    names = ["Transformer", "Pooling", *(["Normalize"] if pooling.normalise else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": place, "name": str(place), "path": paths[place], "type": f"sentence_transformers.models.{name}"}
        for place, name in enumerate(names)
    ]
    modes = {key: kind == pooling.kind for kind, key in KINDS.items()}
    (folder / "1_Pooling").mkdir()
    _write(folder / MODULES, modules)
    _write(folder / POOLING, {"word_embedding_dimension": width, **modes})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": context, "do_lower_case": False})


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
