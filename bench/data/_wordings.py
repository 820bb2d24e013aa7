"""Three ways to word a conversation: the default base's, one with [INST] and a start token, and a plain one."""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from luthier.models.bases import resolve_base
from luthier.models.chat import Wording, load_wording

BASE = "smollm2-135m"
INST = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}<<SYS>>{{ message['content'] }}"
    "<</SYS>>{% elif message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
WORDS = [
    "pump",
    "oil",
    "valve",
    "check",
    "the",
    "every",
    "month",
    "before",
    "start",
    "12",
    "bar",
    "naïve",
    "Öl",
    "€",
    "and",
    "then",
    "stop",
    "or",
    "not",
    "why",
    "how",
    "many",
]


def wordings(home: Path) -> dict[str, tuple[Path, Wording]]:
    """Name -> model folder and its wording."""
    base = resolve_base(BASE, relative_to=Path())
    folders = {BASE: base.folder, "inst": _inst(home / "inst"), "plain": _plain(home / "plain")}
    return {name: (folder, load_wording(folder)) for name, folder in folders.items()}


def sentence(dice: random.Random, *, most: int = 12) -> str:
    """Some words that every one of the tokenizers knows."""
    return " ".join(dice.choice(WORDS) for _ in range(dice.randint(2, most)))


def _inst(folder: Path) -> Path:
    """Metaspace pieces with a start token that the tokenizer itself adds, and an unknown token of its own."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    alphabet = sorted({letter for word in WORDS for letter in word} | set("▁[]/<>INSTY.,?!'+1234567890:"))
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    start = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return _written(folder, tokenizer, names, template=INST)


def _plain(folder: Path) -> Path:
    """Bytes, and a base that has no template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = {"eos_token": "<end>", "pad_token": "<pad>"}
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in names.values()])
    return _written(folder, tokenizer, names, template=None)


def _written(folder: Path, tokenizer: Tokenizer, names: dict[str, str], *, template: str | None) -> Path:
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(text) for name, text in names.items()}
    files = {
        "tokenizer_config.json": names,
        "config.json": {"max_position_embeddings": 512, "vocab_size": tokenizer.get_vocab_size()},
        "generation_config.json": {"eos_token_id": ids["eos_token"], "pad_token_id": ids["pad_token"]},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder
