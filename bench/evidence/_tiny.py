"""Whole runs on a two-layer model, a few seconds each: from rows through prepare, train and evaluate to the evidence.

The base has random weights that were taught the form of the answers, and nothing else: it answers one of eight colours,
or four letters, whatever it is asked. Its general text is noise, so that what may be lost of it is set wide.
"""

import json
import random
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench.kept import code_of, kept
from bench.record import ROOT
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from luthier.config import dump_yaml
from luthier.models.chat import load_wording
from luthier.pipeline.run import run
from luthier.records import Message

sys.path.insert(0, str(ROOT / "tests" / "unit"))
from tiny_bases import write_base, write_tiny_tokenizer

COLOURS = ("red", "blue", "green", "white", "black", "brown", "grey", "pink")
LETTERS = string.ascii_lowercase[:16]
"""Letters that a question may begin with; each stands for a colour."""
PARTS = {"train": 400, "validation": 60, "test": 300}
TAUGHT_STEPS, TAUGHT_ROWS = 400, 32
Answer = Callable[[str, random.Random], str]
"""Question -> answer."""


def by_rule(question: str, _chance: random.Random) -> str:
    """The colour that the first letter stands for: can be learnt."""
    return COLOURS[LETTERS.index(question[0]) % len(COLOURS)]


def any_colour(_question: str, chance: random.Random) -> str:
    """A colour that follows from nothing."""
    return chance.choice(COLOURS)


def any_letters(_question: str, chance: random.Random) -> str:
    """Four letters that follow from nothing: can be recited, never worked out."""
    return "".join(chance.choices(string.ascii_lowercase, k=4))


def write_taught_base(folder: Path) -> Path:
    """A base that knows the form of the answers; the same bytes on the same machine."""
    write_base(write_tiny_tokenizer(folder), kind="llama")
    wording, chance = load_wording(folder), random.Random(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(TAUGHT_STEPS):
        texts = [_question(chance) for _ in range(TAUGHT_ROWS)]
        pairs = [(text, chance.choice((any_colour, any_letters))(text, chance)) for text in texts]
        chats = [wording.chat_ids([Message("user", asked), Message("assistant", told)]) for asked, told in pairs]
        longest = max(len(chat.ids) for chat in chats)
        ids = torch.zeros(TAUGHT_ROWS, longest, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        for place, chat in enumerate(chats):
            size = len(chat.ids)
            ids[place, :size] = torch.tensor(chat.ids)
            labels[place, :size] = torch.where(torch.tensor(chat.trained), ids[place, :size], -100)
        logits = model(ids).logits[:, :-1]
        optimizer.zero_grad()
        cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten()).backward()
        optimizer.step()
    generation = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(generation)
    return folder


def evidence(folder: Path, answer: Answer, *, base: Path, seed: int, train: dict[str, Any]) -> dict[str, Any]:
    """The evidence of a whole run on rows drawn with this seed; a run in the same folder reuses what it can."""
    chance = random.Random(seed)
    questions: list[str] = []
    while len(questions) < sum(PARTS.values()):
        fresh = _question(chance)
        questions += [fresh] if fresh not in questions else []
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    rows = [
        {"question": text, "answer": answer(text, chance), "part": part}
        for text, part in zip(questions, parts, strict=True)
    ]
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    settings = {
        "name": "tiny",
        "objective": "chat",
        "base": str(base),
        "collect": {"sources": ["data"]},
        "prepare": {"split": {"given": "part"}},
        "train": {"dtype": "float32", "replay": 0, "batch_tokens": 1_000, "seed": seed, **train},
        "evaluate": {"retention_margin": 0.99, "arms": "pair", "max_answer_tokens": 8},
    }
    (folder / "luthier.yaml").write_text(dump_yaml(settings), encoding="utf-8")
    result = run(folder / "luthier.yaml")
    assert result.evidence is not None
    record: dict[str, Any] = json.loads(result.evidence.read_bytes())
    return record


def kept_run(bench: str, kind: str, seed: int, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a row keeps of a run that `make` gives the evidence of; one that is done is not done again."""
    about = {"kind": kind, "seed": seed, "code": code_of(("prepare", "evaluate"))}
    return kept(bench, about, lambda: _told(make()), ours=True)


def _told(record: dict[str, Any]) -> dict[str, Any]:
    gain, gates = record["figures"]["gain"], record["gates"]
    return {
        "verdict": record["verdict"]["verdict"],
        "states": {name: gate["state"] for name, gate in gates.items()},
        "base": round(record["figures"]["base"]["value"], 4),
        "gain": [None if gain[name] is None else round(gain[name], 4) for name in ("value", "low", "high")],
        "p": gain["p"],
    }


def _question(chance: random.Random) -> str:
    return chance.choice(LETTERS) + "".join(chance.choices(string.ascii_lowercase, k=6))
