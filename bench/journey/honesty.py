"""Four runs that must not end in SHIP, on the real default base: three that cannot have helped, one that cheats.

Learning rate 0; answers shuffled over the questions; the base against itself (a trained adapter at strength 0); and
exam rows copied into the training rows, with the manifest repaired to hide it, which must stop the run.
"""

import csv
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, evidence_of, luthier, run_words, short, warm

from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.manifest import list_files, read_manifest, write_manifest
from luthier.artifacts.rows import read_examples, read_items, read_worded, write_worded
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.prepare.candidate import turns_of
from luthier.records import Message, Text, Worded

BASE = "smollm2-135m"
LEAKED = 10
INVALID = 3
"""Exit code of a run that refuses its input."""
Found = dict[str, Any]


def measure(asked: Asked) -> Outcome:
    """All four; the quick form trains less."""
    warm(BASE)
    settings = short(epochs=0.05 if asked.quick else 0.3, exam=0.06)
    cases: dict[str, Callable[[Path], Found]] = {
        "learning rate 0": lambda out: _verdict(DEMO, out, [*settings, "train.learning_rate=0.0"]),
        "shuffled answers": lambda out: _verdict(_shuffled(out, seed=asked.seed), out, settings),
        "base against itself": lambda out: _verdict(DEMO, out, [*settings, "train.scale=0.0"]),
        "planted leak": lambda out: _leak(out, settings),
    }
    found: dict[str, Found] = {}
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = case(Path(folder))
        say(f"{name}: {found[name]['ended']}; {'as demanded' if found[name]['honest'] else 'NOT AS DEMANDED'}")
    honest = sum(each["honest"] for each in found.values())
    return Outcome(holds=honest == len(cases), value=honest, bar=f"{len(cases)} of {len(cases)}", detail=found)


def _verdict(project: Path, out: Path, settings: list[str]) -> Found:
    ended = luthier(*run_words(project, out=out / "runs", settings=settings))
    record = evidence_of(Path(ended.result()["run"]))
    verdict, figures = record["verdict"]["verdict"], record["figures"]
    numbers = {
        arm: {name: figures[arm][name] for name in ("value", "low", "high")} for arm in ("gain", "base", "tuned")
    }
    return {
        "ended": verdict,
        "honest": verdict != "SHIP",
        "reasons": record["verdict"]["reasons"],
        "figures": numbers,
        "items": figures["gain"]["n"],
        "seconds": round(ended.seconds),
    }


def _shuffled(folder: Path, *, seed: int) -> Path:
    """A project like the demo's whose answers are dealt anew over its questions."""
    collected = luthier("collect", str(DEMO), "--json", "--out", str(folder / "read")).result()
    examples = read_examples(Path(collected["folder"]) / "examples.parquet")
    kept = [example for example in examples if not isinstance(example, Text)]
    answers = [turns_of(example)[-1].content for example in kept]
    random.Random(seed).shuffle(answers)
    data = folder / "project" / "data"
    data.mkdir(parents=True)
    with (data / "shuffled.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Code", "Diagnosis", "Chapter"])
        for example, answer in zip(kept, answers, strict=True):
            writer.writerow([example.origin.columns.get("code", ""), turns_of(example)[-2].content, answer])
    return Path(shutil.copy(DEMO, folder / "project" / DEMO.name))


def _leak(folder: Path, settings: list[str]) -> Found:
    """Prepare, copy exam rows into train.parquet, repair the manifest, and run on."""
    words = [word for word in run_words(DEMO, out=folder / "runs", settings=settings) if word != "run"]
    luthier("collect", *words).result()
    run = Path(luthier("prepare", *words).result()["run"])
    _plant(run)
    ended = luthier("run", *words)
    told = next((line for line in ended.told.splitlines() if "leak" in line), ended.told.strip()[-200:])
    return {"ended": f"exit {ended.code}: {told}", "honest": ended.code == INVALID and "leak" in ended.told}


def _plant(run: Path) -> None:
    dataset, exam = DatasetDir.open(run / DatasetDir.kind), ExamDir.open(run / ExamDir.kind)
    wording = load_wording(resolve_base(BASE, relative_to=Path()).folder)
    rows = read_worded(dataset.file("train.parquet"))
    for item in read_items(exam.file("items.parquet"))[:LEAKED]:
        chat = wording.chat_ids([*item.messages, Message("assistant", item.golds[0])])
        # The group of another row: nothing but the question gives it away.
        planted = Worded(item.id, rows[0].group, item.at, chat.ids, chat.trained, (), chat.answer_bytes)
        rows.append(planted)
    write_worded(dataset.path / "train.parquet", rows)
    manifest = read_manifest(dataset.path)
    fields = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
    write_manifest(dataset.path, type(manifest)(**{**fields, "files": list_files(dataset.path)}))
    say(json.dumps({"planted rows": LEAKED, "training rows": len(rows)}))


if __name__ == "__main__":
    run_bench("journey.honesty", measure, about=__doc__)
