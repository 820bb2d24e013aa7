"""Small real things that several rooms' tests need."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from luthier.models.bases import Base, resolve_base

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_tiny_tokenizer(folder: Path, *, template: str = CHATML, context: int = 512) -> Path:
    """A byte-level tokenizer without merges and a ChatML template: one token per byte, three special tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>", "<pad>"]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    start, end, pad = (tokenizer.token_to_id(text) for text in special)
    files = {
        "tokenizer_config.json": {"bos_token": special[0], "eos_token": special[1], "pad_token": special[2]},
        "config.json": {"max_position_embeddings": context, "vocab_size": tokenizer.get_vocab_size()},
        "generation_config.json": {"bos_token_id": start, "eos_token_id": end, "pad_token_id": pad},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


@pytest.fixture
def tiny_tokenizer_folder(tmp_path: Path) -> Path:
    """A model folder without weights: tokenizer, template and generation config."""
    return write_tiny_tokenizer(tmp_path / "tiny-base")


SMALL_PROJECT = """\
name: small
objective: {objective}
base: {base}
collect:
  sources: [data]
prepare:
  instruction: Is it hot?
  split:
    group_by: topic
    validation: 0.2
    exam: 0.3
train:
  epochs: 1
  batch_tokens: 400
  dtype: float32
  replay: 0
  adapter: {{rank: 2}}
"""


def write_base(folder: Path, *, kind: str) -> None:
    """Give a tokenizer folder the weights of a small `llama` (a decoder) or `bert` (an encoder)."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

    settings = json.loads((folder / "config.json").read_text())
    special = json.loads((folder / "generation_config.json").read_text())
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**settings, **special, **size, num_key_value_heads=2))
    else:
        model = BertForMaskedLM(BertConfig(**settings, pad_token_id=special["pad_token_id"], **size))
    generation = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(generation)


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[[str], Base]:
    """Make a small base with random weights: `llama` or `bert`."""

    def make(kind: str, name: str = "tiny-base") -> Base:
        write_base(write_tiny_tokenizer(tmp_path / name), kind=kind)
        return resolve_base(name, relative_to=tmp_path)

    return make


@pytest.fixture(params=["chat", "classify"])
def objective(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project_file(tmp_path: Path, tiny_tokenizer_folder: Path, objective: str) -> Path:
    """A project of 60 questions in 20 groups beside its base."""
    write_base(tiny_tokenizer_folder, kind={"chat": "llama", "classify": "bert"}[objective])
    data = tmp_path / "data"
    data.mkdir()
    lines = ["question,answer,topic"]
    for topic in range(20):
        lines += [f"thing {topic} {place},{'yes' if (topic + place) % 2 else 'no'},t{topic}" for place in range(3)]
    (data / "rows.csv").write_text("\n".join(lines) + "\n")
    file = tmp_path / "luthier.yaml"
    file.write_text(SMALL_PROJECT.format(objective=objective, base=tiny_tokenizer_folder.name))
    return file


_FINISHED: dict[str, Path] = {}
"""Objective -> a finished run folder, made once; equal input gives equal bytes, so a copy is as good as a run."""


@pytest.fixture
def finished_file(project_file: Path, objective: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with its run already done."""
    from luthier.pipeline.run import run

    runs = project_file.parent / "runs"
    if objective in _FINISHED:
        shutil.copytree(_FINISHED[objective], runs)
    else:
        run(project_file)
        _FINISHED[objective] = shutil.copytree(runs, tmp_path_factory.mktemp("finished") / "runs")
    return project_file
