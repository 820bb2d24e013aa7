"""Recompute a report from its own scores and say whatever does not follow."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import LOOKS, ExamDir, ReportDir
from luthier.artifacts.manifest import MANIFEST, check_files
from luthier.artifacts.rows import read_items
from luthier.artifacts.tables import read_table
from luthier.errors import LuthierError, UserError
from luthier.evaluate import watch
from luthier.evaluate.decide import conclude
from luthier.evaluate.fold_checks import fold_problems, sealed_fold_problems
from luthier.evaluate.further import METRICS
from luthier.evaluate.looks import alpha_of, exam_root, read_ledger
from luthier.evaluate.metrics.options import option_scores, told_logs
from luthier.evaluate.metrics.pairs import PREFERENCES, says
from luthier.evaluate.metrics.ranking import ndcg, spearman_shares, told_ranks
from luthier.evaluate.metrics.text import spell_labels, token_f1
from luthier.evaluate.metrics.units import RELATIVE, UNBOUNDED, item_metric, score_words
from luthier.evaluate.report.evidence import EVIDENCE, FORMAT, document_id, evidence_bytes, read_evidence
from luthier.evaluate.report.schema import schema_problems
from luthier.graders.matches import exact_match
from luthier.graders.numbers import number_score
from luthier.records import Item

TOLERANCE = 1e-12
MOST = {"brier": 2}
"""Metrics of single items that are neither shares nor unbounded -> the largest they can be."""
UNKNOWABLE = (
    "whether the models really gave these answers: that takes the models, and a run of your own",
    "whether somebody rewrote the whole file so that it fits together: compare its sha256, and the last line of the "
    "ledger, with what you were given elsewhere",
)
"""What no file can say about itself."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked, what was found, and what nobody can know from these files."""

    problems: list[str]
    """Empty: everything that was checked follows."""
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


def verify(path: Path) -> list[str]:
    """The problems that `check_evidence` finds; an empty list means that everything follows."""
    return check_evidence(path).problems


def check_evidence(path: Path) -> Checked:
    """Check an evidence file, a report folder or a run folder.

    Of a report folder also the manifest, the recorded answers and, where they lie beside it, the exam (answers are
    scored again) and the ledger of looks. Raises NotFoundError if there is nothing to verify.
    """
    folder = path / ReportDir.kind if (path / ReportDir.kind).is_dir() else path
    file = folder / EVIDENCE if folder.is_dir() else folder
    try:
        record = read_evidence(file)
    except UserError as error:
        return Checked([str(error)])
    problems = schema_problems(record) or list(_self_consistent(record, file))
    if problems:
        return Checked(problems)
    try:
        beside = _beside(record, file.parent)
    except LuthierError as error:
        return Checked([str(error)])
    if beside.report:
        problems = _folder_problems(record, file.parent, beside)
    return Checked(problems, *_in_words(record, beside))


@dataclass(frozen=True, slots=True)
class _Beside:
    """What lies beside the evidence, and can be held against it."""

    report: bool
    exam: bool
    ledger: bool


def _beside(record: Mapping[str, Any], folder: Path) -> _Beside:
    exam = folder.parent / ExamDir.kind
    found = (exam / MANIFEST).is_file() and exam_root(ExamDir.open(exam)) == record["exam"]["root"]
    report = (folder / MANIFEST).is_file()
    return _Beside(report=report, exam=report and found, ledger=report and (folder.parent / LOOKS).is_file())


def _in_words(record: Mapping[str, Any], beside: _Beside) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """In words: what was checked, and what was not or cannot be."""
    plan = record["plan"]
    size = f"{plan['items']:,} items from {plan['documents']:,} documents"
    checked = [
        f"evidence.json is of the format {FORMAT}, in canonical form, and has the hash that it names",
        f"every figure, every gate and the verdict follow from the recorded scores of {size}",
    ]
    open_points = []
    if beside.report:
        checked.append("report.html, card.md, answers.parquet and plan.json are as they were written")
    else:
        open_points.append("the files of the report: only the evidence file was given")
    if beside.exam and record["plan"]["primary"] in RELATIVE:
        checked.append(
            "the recorded likelihoods are those of the evidence; they cannot be had again without the models"
        )
    elif beside.exam:
        checked.append("the recorded answers, scored again by the golds of the sealed exam, have the scores they claim")
    else:
        open_points.append("whether the answers deserve their scores: the exam does not lie beside the report")
    if beside.exam and record.get("folds"):
        checked.append(
            f"every document was examined in one of the {plan['folds']} folds that were sealed, and no other"
        )
    if beside.ledger:
        checked.append("the ledger of looks is unbroken and holds this look")
    else:
        open_points.append("how often the exam was looked at: its ledger does not lie beside the report")
    return tuple(checked), (*open_points, *UNKNOWABLE)


def _self_consistent(record: Mapping[str, Any], file: Path) -> Iterator[str]:
    rest = {key: value for key, value in record.items() if key != "sha256"}
    try:
        if record.get("sha256") != sha256_of(rest):
            yield f"{file}: the content does not have the hash it names: it was edited"
        if file.read_bytes() != evidence_bytes(record):
            yield f"{file}: not in canonical form: it was edited"
        yield from _agreeing(record)
        for key, value in conclude(rest).items():
            yield from _differences(record.get(key), json.loads(json.dumps(value)), key)
    except (KeyError, IndexError, TypeError, ValueError, AssertionError, ArithmeticError, AttributeError) as error:
        yield f"{file}: cannot be recomputed ({type(error).__name__}: {error})"


def _agreeing(record: Mapping[str, Any]) -> Iterator[str]:
    plan, items, scores = record["plan"], record["items"], record["scores"]
    size = len(items["id"])
    columns = [*items.values(), *(column for arm in scores.values() for column in arm.values())]
    columns += [column for kind in record["counts"].values() for column in kind.values() if isinstance(column, list)]
    columns += [column for arm in record["cost"].values() for column in arm.values()]
    if any(len(column) != size for column in columns):
        yield "items: columns of different length"
    if len(set(items["id"])) != size:
        yield "items: an id occurs twice"
    if record["sequential"] is not None:
        yield from watch.problems(record)
    elif (plan["items"], plan["documents"]) != (size, len(set(items["document"]))):
        yield "items: another number of items or documents than planned"
    planned = [{name: row[name] for name in row.keys() - {"not_asked"}} for row in plan.get("further", [])]
    if planned != [_told_of(one) for one in _further(record)]:
        yield "further: other tasks than planned"
    yield from _as_planned(record)
    yield from fold_problems(record)
    yield from _agreeing_arms(record)
    yield from _impossible(record)
    if "spans" in record["counts"]:
        yield from _agreeing_spans(record["counts"]["spans"], scores)


def _agreeing_arms(record: Mapping[str, Any]) -> Iterator[str]:
    """The arms are the planned ones, and right where their labels are."""
    scores = record["scores"]
    if sorted(scores) != sorted(record["plan"]["arms"]):
        yield "scores: other arms than planned"
    for arm in ("base", "tuned") if {"labels", "several_labels"} & set(record["counts"]) else ():
        [labels] = record["counts"].values()
        right = [float(gold == named) for gold, named in zip(labels["gold"], labels[arm], strict=True)]
        if right != scores[arm]["accuracy"]:
            yield f"scores.{arm}.accuracy: does not follow from the labels"


def _impossible(record: Mapping[str, Any]) -> Iterator[str]:
    """Scores that no answer can have."""
    arms = [*record["scores"].values(), *(arm for one in _further(record) for arm in one["scores"].values())]
    for name, column in (pair for arm in arms for pair in arm.items()):
        least, most = (-math.inf if name == "spearman" else 0, MOST.get(name, math.inf if name in UNBOUNDED else 1))
        if any(not least <= score <= most for score in column):
            yield f"scores.{name}: a number that it cannot have"

    canaries = record.get("canaries") or {"rank": [], "fillers": []}
    if any(not 1 <= rank <= size for rank, size in zip(canaries["rank"], canaries["fillers"], strict=True)):
        yield "canaries.rank: a number that it cannot have"


def _further(record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = record.get("further", ())
    return found


def _told_of(one: Mapping[str, Any]) -> dict[str, Any]:
    """A further task as the plan names it; its columns are as long as it has items."""
    parts = (one["items"], *one["scores"].values(), *one["cost"].values())
    sizes = {len(column) for columns in parts for column in columns.values()}
    items, documents = len(one["items"]["id"]), len(set(one["items"]["document"]))
    assert sizes == {items}, "columns of one length"
    about = {"claim": one["claim"], "task": one["task"], "metric": item_metric(one["scores"]["base"])}
    return {**about, "arms": sorted(one["scores"]), "items": items, "documents": documents}


def _as_planned(record: Mapping[str, Any]) -> Iterator[str]:
    plan, frozen = record["plan"], record["frozen_plan"]
    if record["plan_sha256"] != sha256_of(plan):
        yield "plan_sha256: not the hash of the plan"
    if frozen is not None and (frozen["sha256"] == record["plan_sha256"]) == bool(frozen["changed"]):
        yield "frozen_plan: its hash and what is said to have changed do not fit"
    if (plan.get("sequential") is None) != (record["sequential"] is None):
        yield "sequential: not as planned"
    if plan["exam_root"] != record["exam"]["root"] or plan["dataset_digest"] != record["exam"]["dataset"]:
        yield "exam: not the exam or the dataset of the plan"
    if record["look"]["alpha"] != alpha_of(record["look"]["number"], alpha=plan["alpha"]):
        yield "look.alpha: not what this look may spend"


def _agreeing_spans(counts: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[str]:
    """True, false and missed entities are counts, both arms were asked for the same, and all right means none wrong."""
    types = counts["types"]
    for arm in ("base", "tuned"):
        if any(len(each) != 3 * types or min(each, default=0) < 0 for each in counts[arm]):
            yield f"counts.spans.{arm}: not three counts for each type"
        if [float(not any(each[types:])) for each in counts[arm]] != scores[arm]["exact_match"]:
            yield f"scores.{arm}.exact_match: does not follow from the counts of entities"
    if _asked_for(counts["base"], types) != _asked_for(counts["tuned"], types):
        yield "counts.spans: the arms were not asked for the same entities"


def _asked_for(counts: list[list[int]], types: int) -> list[list[int]]:
    return [[each[kind] + each[2 * types + kind] for kind in range(types)] for each in counts]


def _differences(told: Any, found: Any, where: str) -> Iterator[str]:
    """Where two JSON values differ by more than a relative 1e-12."""
    if isinstance(told, Mapping) and isinstance(found, Mapping):
        for key in sorted({*told, *found}):
            yield from _differences(told.get(key), found.get(key), f"{where}.{key}")
    elif isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        for place, (one, other) in enumerate(zip(told, found, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif not _same(told, found):
        yield f"{where}: says {json.dumps(told)}, recomputed {json.dumps(found)}"


def _same(told: Any, found: Any) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (told, found)]
    if all(numbers):
        return math.isclose(told, found, rel_tol=TOLERANCE, abs_tol=1e-15)
    return bool(told == found)


def _folder_problems(record: Mapping[str, Any], folder: Path, beside: _Beside) -> list[str]:
    try:
        report = ReportDir.open(folder)
        problems = check_files(folder, report.manifest)
        rows = read_table(report.file("answers.parquet"))
        problems += _answer_problems(record, rows)
        if beside.exam:
            exam = ExamDir.open(folder.parent / ExamDir.kind)
            items = read_items(exam.file("items.parquet"))
            problems += _scored_again(record, rows, items)
            problems += sealed_fold_problems(record, items, exam)
        problems += _ledger_problems(record, folder.parent / LOOKS)
    except LuthierError as error:
        return [str(error)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        return [f"{folder}: cannot be compared with its evidence ({type(error).__name__}: {error})"]
    return problems


def _answer_problems(record: Mapping[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    told = {
        (arm, *found) for part in (record, *_further(record)) for arm in part["scores"] for found in _told(part, arm)
    }
    names = ("arm", "item", "score", "prompt_tokens", "answer_tokens")
    found = [tuple(row[name] for name in names) for row in rows]
    if len(found) == len(told) and set(found) == told:
        return []
    return ["answers.parquet: other items, scores or tokens than the evidence"]


def _scored_again(record: Mapping[str, Any], rows: list[dict[str, Any]], items: list[Item]) -> list[str]:
    golds = {item.id: item.golds for item in items}
    options = {item.id: item.options for item in items}
    metrics = {name: record["plan"]["primary"] for name in record["items"]["id"]}
    metrics |= {name: METRICS[one["task"]] for one in _further(record) for name in one["items"]["id"]}
    shares = _pair_shares(rows, golds) if record["plan"]["primary"] == "spearman" else {}
    problems = []
    parts = [record["items"], *(one["items"] for one in _further(record))]
    told = {pair for part in parts for pair in zip(part["id"], part["document"], strict=True)}
    known = {(item.id, document_id(item.document)) for item in items}
    if told != known and (record["sequential"] is None or not told <= known):
        problems.append("items.document: not the documents of the exam")
    for row in rows:
        wanted, primary = golds.get(row["item"], ()), metrics.get(row["item"], "")
        if primary == "p_gold":
            again = option_scores(told_logs(row["text"]), options[row["item"]].index(wanted[0]))
            agrees = math.isclose(again["p_gold"], row["score"], rel_tol=1e-9)
        elif primary == "ndcg_10":
            agrees = ndcg(told_ranks(row["text"])) == row["score"]
        elif primary == "spearman":
            agrees = math.isclose(shares[row["arm"], row["item"]], row["score"], rel_tol=1e-9, abs_tol=1e-9)
        elif primary in RELATIVE:
            # A likelihood cannot be had without the models; what the person reads must be what was counted.
            agrees = row["text"] == score_words(row["score"], primary)
        elif primary in PREFERENCES:
            agrees = says(row["text"], row["score"])
        else:
            agrees = _scored(row["text"], wanted, primary) == row["score"]
        if not agrees:
            problems.append(f"answers.parquet: item {row['item']}, {row['arm']}: {row['score']} is not its score")
    return problems


def _scored(text: str, golds: tuple[str, ...], primary: str) -> float:
    match primary:
        case "exact_match":
            return exact_match(text, golds)
        case "numeric_match":
            return number_score(text, golds[0])
        case "token_f1":
            return token_f1(text, golds)
        case "span_f1":
            return float(set(text.splitlines()) == set(golds))
        case _:
            return float(text == spell_labels(golds))


def _pair_shares(rows: list[dict[str, Any]], golds: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], float]:
    """(arm, item) -> what the item adds to the arm's rank correlation, from the cosines that were recorded."""
    found: dict[tuple[str, str], float] = {}
    for arm in sorted({row["arm"] for row in rows}):
        names = [row["item"] for row in rows if row["arm"] == arm]
        cosines = np.array([float(row["text"]) for row in rows if row["arm"] == arm])
        shares = spearman_shares(cosines, np.array([float(golds[name][1]) for name in names]))
        found |= {(arm, name): float(share) for name, share in zip(names, shares, strict=True)}
    return found


def _ledger_problems(record: Mapping[str, Any], ledger: Path) -> list[str]:
    if not ledger.is_file():
        return []
    lines = read_ledger(ledger)
    line = next((line for line in lines if line["sha256"] == record["look"]["line"]), None)
    if line is None:
        return [f"{ledger}: does not hold the look of this evidence"]
    if not any((line.get("of"), line.get("result")) == (record["look"]["line"], record["sha256"]) for line in lines):
        return [f"{ledger}: names another result of this look than the evidence"]
    told = (
        record["look"]["number"],
        record["exam"]["root"],
        record["plan_sha256"],
        record["models"]["tuned"]["digest"],
    )
    found = (line["look"], line["exam"], line["plan"], line["model"])
    return [] if told == found else [f"{ledger}: names another look, exam, plan or model than the evidence"]


def _told(record: Mapping[str, Any], arm: str) -> Iterator[tuple[Any, ...]]:
    """Id, score and tokens of every item of an arm, of the record or of a further task."""
    scores, items = record["scores"][arm], record["items"]["id"]
    none = [None] * len(items)
    spent = record.get("cost", {}).get(arm, {"prompt_tokens": none, "answer_tokens": none})
    yield from zip(items, scores[item_metric(scores)], spent["prompt_tokens"], spent["answer_tokens"], strict=True)
