"""From marked texts, and from a file as SQuAD nests it, to a verified report and a model that answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.artifacts.folders import CorpusDir, ModelDir
from luthier.collect.ledger import read_rejects
from luthier.errors import UserError
from luthier.evaluate.report.evidence import read_evidence
from luthier.evaluate.verify import verify
from luthier.models.bases import Base
from luthier.models.engines.hf import load_engine
from luthier.models.spans import named_entities
from luthier.pipeline.actions.answers import ask
from luthier.pipeline.run import run

PROJECT = """\
name: small
objective: {objective}
base: tiny-base
collect: {{sources: [data], bad_rows: 0.1}}
prepare: {{split: {{group_by: {group}, validation: 0.2, exam: 0.3}}}}
train: {{epochs: 1, batch_tokens: 400, dtype: float32, adapter: {{rank: 2}}}}
"""


def marked(topic: int, place: int) -> dict[str, Any]:
    name, town = f"Ada{topic}", f"Rome{place}"
    text = f"{name} pays, in {town}." if place else f"Topic {topic} says nothing."
    entities = [
        {"start": 0, "end": len(name), "label": "WHO"},
        {"start": len(text) - 1 - len(town), "end": len(text) - 1, "label": "PLACE"},
    ]
    return {"text": text, "entities": entities if place else [], "part": f"t{topic}"}


def article(topic: int) -> dict[str, Any]:
    context = f"In {topic} Ada pays {topic} coins, and Bob pays none."
    questions = [
        {"question": f"Who pays in {topic}?", "answers": [{"text": "Ada", "answer_start": context.index("Ada")}]},
        {"question": f"Who pays none in {topic}?", "answers": [{"text": "Bob", "answer_start": context.index("Bob")}]},
        {"question": f"Who is the Pope in {topic}?", "answers": [], "is_impossible": True},
    ]
    return {"title": f"t{topic}", "paragraphs": [{"context": context, "qas": questions}]}


def finished(tmp_path: Path, objective: str, group: str) -> Path:
    file = tmp_path / "luthier.yaml"
    file.write_text(PROJECT.format(objective=objective, group=group), encoding="utf-8")
    run(file)
    folder = tmp_path / "runs" / "small"
    assert verify(folder) == []
    assert read_evidence(folder / "report" / "evidence.json")["plan"]["against"] == "linear probe"
    return folder


def test_marked_texts_become_a_tagger_with_evidence(make_base: Callable[[str], Base], tmp_path: Path) -> None:
    base = make_base("bert")
    (tmp_path / "data").mkdir()
    rows = [json.dumps(marked(topic, place)) for topic in range(20) for place in range(3)]
    (tmp_path / "data" / "rows.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    folder = finished(tmp_path, "tag", "part")
    text = str(marked(3, 1)["text"])
    shown = ask(folder, text).values["entities"]
    assert all(text[each["start"] : each["end"]] == each["text"] for each in shown)
    engine = load_engine(base, tuned=ModelDir.open(folder / "model"), threads=1)
    worded = engine.wording.word_ids(text)
    named = named_entities(engine.tag([worded.ids])[0], worded, engine.labels)
    assert [(each.entity.start, each.entity.label) for each in named] == [(one["start"], one["label"]) for one in shown]


def test_a_file_as_squad_nests_it_becomes_an_extractor_with_evidence(
    make_base: Callable[[str], Base], tmp_path: Path
) -> None:
    make_base("bert")
    (tmp_path / "data").mkdir()
    articles = [article(topic) for topic in range(20)]
    articles[4]["paragraphs"][0]["qas"][1]["answers"][0]["answer_start"] += 1
    content = json.dumps({"version": "v2.0", "data": articles})
    (tmp_path / "data" / "train.json").write_text(content, encoding="utf-8")
    folder = finished(tmp_path, "extract", "title")
    (bad,) = read_rejects(CorpusDir.open(folder / "corpus").file("rejects.parquet"))
    assert (bad.file, bad.line) == ("train.json", 1)
    assert bad.reason.endswith("in 1 (5), paragraph 1, question 2")
    with pytest.raises(UserError, match="/luthier/v1/extract"):
        ask(folder, "Who pays?")
