"""A decoder that is quick where a journey is about what happens to files, not about what a model learns."""

import json
import shutil
from pathlib import Path

import pytest

SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default base's tokenizer and template, and random weights of two narrow layers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from luthier.models.bases import resolve_base

    real = resolve_base("smollm2-135m", relative_to=Path())
    folder = tmp_path_factory.mktemp("bases") / "small"
    shutil.copytree(real.folder, folder, ignore=shutil.ignore_patterns("*.safetensors", "manifest.json"))
    settings = json.loads((folder / "config.json").read_bytes()) | SMALL | HEADS
    torch.manual_seed(0)
    model = LlamaForCausalLM._from_config(LlamaConfig.from_dict(settings), dtype=torch.float32)
    kept = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(kept)
    return folder
