"""Eight runs that must not end in SHIP, on the real default base, and what each has to be told.

Six cannot have helped or have done harm: learning rate 0, the base against itself, shuffled answers, answers learnt by
heart, general ability damaged, a base that is perfect already. One has too few documents to say. One cheats: exam rows
copied into the training rows, with the manifest repaired to hide it, which must stop the run.
"""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.datasets import forge_rows
from bench.objectives._tasks import Row, chapters, commonest, dealt, write_project
from bench.record import Asked, Outcome, run_bench, say
from bench.runs import evidence_of, luthier, run_words, warm

from luthier.artifacts.folders import DatasetDir, ExamDir
from luthier.artifacts.rows import read_items, read_worded
from luthier.models.bases import resolve_base
from luthier.models.chat import load_wording
from luthier.records import Message, Worded

BASE = "smollm2-135m"
PARTS = {"train": 600, "validation": 60, "test": 120}
FEW = {"train": 60, "validation": 20, "test": 25}
BY_HEART = {"train": 60, "validation": 40, "test": 120}
CHAPTERS = 10
"""The most frequent ones: each has many training rows, so that answers are a closed set."""
EPOCHS = 2.0
LEAKED = 10
INVALID = 3
"""Exit code of a run that refuses its input."""
PERFECT = 0.98
"""A base counts as perfect from this score on."""
NEITHER = ("INCONCLUSIVE", "DON'T SHIP")
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drill:
    """One run, and what the protocol demands of its report."""

    rows: Callable[[Sequence[Row], random.Random], Sequence[Row]]
    train: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=lambda: PARTS)
    verdicts: Sequence[str] = NEITHER
    gates: Mapping[str, str] = field(default_factory=dict)
    """Gate -> the state it must be in."""
    reason: str = ""
    """Words that the reasons must hold."""


def _as_they_are(rows: Sequence[Row], _chance: random.Random) -> Sequence[Row]:
    return rows


def _shuffled(rows: Sequence[Row], chance: random.Random) -> Sequence[Row]:
    answers = [row.answer for row in rows]
    chance.shuffle(answers)
    return [replace(row, answer=answer) for row, answer in zip(rows, answers, strict=True)]


def _codes(rows: Sequence[Row], chance: random.Random) -> Sequence[Row]:
    """Answers that follow from nothing: they can be learnt by heart and in no other way."""
    return [replace(row, answer=f"{chance.choice('ABCDEFGH')}{chance.randrange(100, 1000)}") for row in rows]


def _repeated(rows: Sequence[Row], _chance: random.Random) -> Sequence[Row]:
    """A task that can be done without a mistake."""
    return [replace(row, text=f"Repeat: {row.text}", answer=row.text) for row in rows]


NO_GAIN = "It is not shown that the tuned model is better"
DRILLS = {
    "learning rate 0": Drill(
        _as_they_are,
        {"learning_rate": 0.0, "scale": 1.0},
        gates={"retained": "RETAINED", "clean": "CLEAN"},
        reason=NO_GAIN,
    ),
    "base against itself": Drill(_as_they_are, {"scale": 0.0}, gates={"retained": "RETAINED"}, reason=NO_GAIN),
    "shuffled answers": Drill(_shuffled, reason=NO_GAIN),
    "learnt by heart": Drill(
        _codes,
        {"epochs": 40.0, "patience": 1_000},
        BY_HEART,
        verdicts=["DON'T SHIP"],
        gates={"overfit": "OVERFIT"},
    ),
    "general ability damaged": Drill(
        _as_they_are,
        {"learning_rate": 0.02, "replay": 0.0, "scale": 1.0},
        verdicts=["DON'T SHIP"],
        gates={"retained": "FORGOT"},
    ),
    "too few documents": Drill(_as_they_are, {}, FEW, verdicts=["INCONCLUSIVE"], reason="30 items"),
}


def measure(asked: Asked) -> Outcome:
    """All eight; the quick form trains for a fifth of the time, which is too short for most."""
    warm(BASE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        desk = _Desk(folder, commonest(chapters(folder / "read"), CHAPTERS), asked)
        cases: dict[str, Callable[[], Found]] = {
            **{name: lambda name=name, drill=drill: desk.hold(name, drill) for name, drill in DRILLS.items()},
            "base perfect already": desk.perfect,
            "leak planted": desk.leak,
        }
        found: dict[str, Found] = {}
        for name, case in cases.items():
            found[name] = case()
            kept = "as demanded" if found[name]["as demanded"] else "NOT AS DEMANDED"
            say(f"{name}: {found[name]['ended']}; {kept}; {found[name].get('reasons', '')}")
    right = sum(each["as demanded"] for each in found.values())
    return Outcome(holds=right == len(found), value=right, bar=f"{len(found)} of {len(found)}", detail=found)


class _Desk:
    """Projects of one set of diagnoses in one folder."""

    def __init__(self, folder: Path, rows: Sequence[Row], asked: Asked) -> None:
        self.folder, self.rows, self.asked = folder, rows, asked

    def project(self, name: str, drill: Drill, *, base: str = BASE) -> list[str]:
        """Words of a `luthier` command on a drill's project."""
        chance = random.Random(self.asked.seed)
        rows = dealt(drill.rows(self.rows, chance), drill.parts, seed=self.asked.seed)
        train = {"epochs": EPOCHS, "seed": self.asked.seed, **drill.train}
        if self.asked.quick:
            train["epochs"] = train["epochs"] / 5
        path = write_project(self.folder / name, rows, name="drill", objective="chat", base=base, train=train)
        return run_words(path, settings=["evaluate.arms=pair", "evaluate.general_items=0"])[1:]

    def hold(self, name: str, drill: Drill, *, base: str = BASE) -> Found:
        """Run it and compare its report with what is demanded."""
        ended = luthier("run", *self.project(name, drill, base=base))
        record = evidence_of(Path(ended.result()["run"]))
        verdict, reasons = record["verdict"]["verdict"], record["verdict"]["reasons"]
        states = {gate: record["gates"][gate]["state"] for gate in record["gates"]}
        demanded = (
            verdict in drill.verdicts
            and all(states[gate] == state for gate, state in drill.gates.items())
            and drill.reason in " ".join(reasons)
        )
        figures = {arm: record["figures"][arm] for arm in ("gain", "base", "tuned")}
        numbers = {arm: {end: figure[end] for end in ("value", "low", "high")} for arm, figure in figures.items()}
        told = {"reasons": reasons, "gates": states, "figures": numbers, "seconds": round(ended.seconds)}
        return {"ended": verdict, "as demanded": demanded, **told}

    def perfect(self) -> Found:
        """A task is learnt wholly; then the model that knows it is the base of another run."""
        before = Drill(_repeated, {"method": "full", "epochs": 4.0, "replay": 0.0})
        learnt = Path(luthier("train", *self._prepared("teacher", before)).result()["run"]) / "model"
        found = self.hold("perfect", Drill(_repeated, reason=NO_GAIN), base=str(learnt))
        score = found["figures"]["base"]["value"]
        found["as demanded"] = found["as demanded"] and score >= PERFECT
        return found

    def leak(self) -> Found:
        """Prepare, copy exam rows into train.parquet, repair the manifest, and run on."""
        words = self._prepared("leak", Drill(_as_they_are))
        _plant(Path(luthier("prepare", *words).result()["run"]))
        ended = luthier("run", *words)
        told = next((line for line in ended.told.splitlines() if "leak" in line), ended.told.strip()[-200:])
        return {"ended": f"exit {ended.code}: {told}", "as demanded": ended.code == INVALID and "leak" in ended.told}

    def _prepared(self, name: str, drill: Drill) -> list[str]:
        words = self.project(name, drill)
        for stage in ("collect", "prepare"):
            luthier(stage, *words).result()
        return words


def _plant(run: Path) -> None:
    dataset, exam = DatasetDir.open(run / DatasetDir.kind), ExamDir.open(run / ExamDir.kind)
    wording = load_wording(resolve_base(BASE, relative_to=Path()).folder)
    rows = read_worded(dataset.file("train.parquet"))
    for item in read_items(exam.file("items.parquet"))[:LEAKED]:
        chat = wording.chat_ids([*item.messages, Message("assistant", item.golds[0])])
        # The group of another row: nothing but the question gives it away.
        planted = Worded(item.id, rows[0].group, item.at, chat.ids, chat.trained, (), chat.answer_bytes)
        rows.append(planted)
    forge_rows(dataset, "train.parquet", rows)


if __name__ == "__main__":
    run_bench("evidence.drills", measure, about=__doc__)
