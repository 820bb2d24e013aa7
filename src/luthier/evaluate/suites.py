"""Public suites: lm-eval asks both models through our own server, and our paired statistics read its logs. Advisory."""

import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.artifacts.canonical import sha256_of
from luthier.config import foreign_environment
from luthier.errors import UserError
from luthier.evaluate.compare import Figure, bare_means, compare_scores, mean_of, sample_of, score_of
from luthier.evaluate.config import Serve, Served, SuitesConfig
from luthier.evaluate.statistics.several import holm
from luthier.records import Listener, Tick

INSTALL = "Install it with: pip install 'luthier[suites]', or name the Python that has it in evaluate.suites.python."
VERSION = "import importlib.metadata, aiohttp, lm_eval; print(importlib.metadata.version('lm_eval'))"
HASHES = ("doc_hash", "prompt_hash", "target_hash")


@dataclass(frozen=True, slots=True)
class Logs:
    """What lm-eval left about one model."""

    results: Mapping[str, Any]
    samples: Mapping[str, list[dict[str, Any]]]
    """Task -> one row per item, of its first filter."""


def ask_suites(config: SuitesConfig, *, serve: Serve | None, listener: Listener) -> dict[str, Any]:
    """Let lm-eval ask base and tuned, greedily, and return the evidence's `suites`.

    Raises UserError if there is no server for such models, lm-eval is missing, or a task cannot be asked.
    """
    if serve is None:
        raise UserError("evaluate.suites asks models that write, through a server. Take the section out.")
    with tempfile.TemporaryDirectory(prefix="luthier-suites-") as folder, serve() as served:
        version = _version(config, served)
        logs = {}
        for arm, model in (("base", served.base), ("tuned", served.tuned)):
            listener(Tick("evaluate", 0, 0, f"lm-eval {version} asks the {arm} model: {', '.join(config.tasks)}"))
            logs[arm] = _ask(config, served, model=model, folder=Path(folder) / arm)
    asked = {"lm_eval": version, "tasks": list(config.tasks), "limit": config.limit}
    return {"asked": asked, **pair_logs(logs["base"], logs["tuned"], cluster_by=config.cluster_by)}


def read_logs(folder: Path) -> Logs:
    """The newest results of a folder that lm-eval wrote, and the samples of every task; UserError if it left none."""
    results = sorted(folder.rglob("results_*.json"))
    if not results:
        raise UserError(f"{folder}: lm-eval left no results.")
    told = json.loads(results[-1].read_text(encoding="utf-8"))
    samples = {}
    for task in told["configs"]:
        file = _samples(folder, task)
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        samples[task] = [row for row in rows if row["filter"] == rows[0]["filter"]]
    return Logs(told, samples)


def pair_logs(base: Logs, tuned: Logs, *, cluster_by: str | None = None) -> dict[str, Any]:
    """`scores`: task -> metric and, per item, id, document and both scores; `left_out`: task -> why it has none.

    The first metric that lm-eval lists for single items counts. `cluster_by` names the field of a row that tells its
    document; else every item is its own. Raises UserError if the two were not asked the same.
    """
    scores: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for task in sorted(base.samples):
        arms = [{row["doc_id"]: row for row in logs.samples.get(task, ())} for logs in (base, tuned)]
        asked = [{place: [row[name] for name in HASHES] for place, row in arm.items()} for arm in arms]
        if asked[0] != asked[1]:
            raise UserError(f"lm-eval did not ask both models the same items of {task}. Run again.")
        rows = [(arms[0][place], arms[1][place]) for place in sorted(arms[0])]
        metric = next((name for name in rows[0][0]["metrics"] if _is_score(rows[0][0].get(name))), None)
        if metric is None:
            left_out[task] = "lm-eval gives no score of single items"
            continue
        better = base.results.get("higher_is_better", {}).get(task, {}).get(metric)
        scores[task] = {
            "metric": f"{metric},{rows[0][0]['filter']}",
            "higher_is_better": better is not False,
            "id": [f"{task}/{one['doc_id']}" for one, _ in rows],
            "document": [_document(one, cluster_by) for one, _ in rows],
            "base": [float(one[metric]) for one, _ in rows],
            "tuned": [float(other[metric]) for _, other in rows],
        }
    return {"scores": scores, "left_out": left_out}


def suite_gains(record: Mapping[str, Any]) -> dict[str, Any]:
    """Both arms and the gain on every suite, with Holm's p over all of them; empty if none was asked."""
    found: dict[str, Any] = {}
    for task, columns in sorted(record.get("suites", {}).get("scores", {}).items()):
        found[task] = {"metric": columns["metric"], **_compare(columns, record["plan"])}
    tested = [task for task in found if found[task]["gain"]["p"] is not None]
    adjusted = dict(zip(tested, holm([found[task]["gain"]["p"] for task in tested]).tolist(), strict=True))
    return {"suites": {task: {**row, "adjusted": adjusted.get(task)} for task, row in found.items()}} if found else {}


def _compare(columns: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Figure]:
    alpha, sign = plan["alpha"], 1 if columns["higher_is_better"] else -1
    sample = sample_of(columns["document"], ["suite"] * len(columns["id"]), weights={"suite": 1.0})
    if not sample.can_be_measured:
        return bare_means(columns, metric="suite", sample=sample)
    tuned, base = ([sign * score for score in columns[arm]] for arm in ("tuned", "base"))
    are_shares = all(0 <= score <= 1 for arm in ("tuned", "base") for score in columns[arm])
    level = score_of if are_shares else mean_of
    arms = {arm: level(columns[arm], sample=sample, alpha=alpha) for arm in ("base", "tuned")}
    return {"gain": compare_scores(tuned, base, sample=sample, alpha=alpha, seed=plan["seed"]), **arms}


def _version(config: SuitesConfig, served: Served) -> str:
    done = subprocess.run([_python(config, served), "-c", VERSION], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"evaluate.suites: lm-eval cannot be loaded ({_last(done.stderr)}). {INSTALL}")
    return done.stdout.strip()


def _ask(config: SuitesConfig, served: Served, *, model: str, folder: Path) -> Logs:
    folder.mkdir()
    log = folder / "log.txt"
    with log.open("wb") as file:
        done = subprocess.run(
            _command(config, served, model=model, folder=folder),
            cwd=folder,
            env={**foreign_environment(), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        told = _last(log.read_text(encoding="utf-8", errors="replace"))
        raise UserError(
            f"evaluate.suites: lm-eval could not ask {', '.join(config.tasks)} ({told}). Tasks must exist, have their "
            "data at hand, and be of those that write (generate_until)."
        )
    return read_logs(folder)


def _command(config: SuitesConfig, served: Served, *, model: str, folder: Path) -> list[str]:
    # One request at a time, as the server answers them; nothing of a task's own code is trusted unasked.
    told = f"model={model},base_url={served.address}/v1/chat/completions,num_concurrent=1,max_retries=1"
    words = [_python(config, served), "-m", "lm_eval", "run", "--model", "local-chat-completions", "--model_args", told]
    words += ["--tasks", ",".join(config.tasks), "--apply_chat_template", "--log_samples", "--output_path", str(folder)]
    if config.folder is not None:
        words += ["--include_path", str((served.home / config.folder).resolve())]
    return words + (["--limit", str(config.limit)] if config.limit is not None else [])


def _python(config: SuitesConfig, served: Served) -> str:
    # Not resolved: a virtual environment is known by the link that Python is started through.
    return sys.executable if config.python is None else str(served.home / config.python)


def _document(row: Mapping[str, Any], cluster_by: str | None) -> str:
    named = row["doc"].get(cluster_by) if cluster_by is not None else None
    return sha256_of([row["doc_hash"], row["doc_id"]] if named is None else [named])[:16]


def _samples(folder: Path, task: str) -> Path:
    # One task may be called like the beginning of another.
    wanted = re.compile(rf"samples_{re.escape(task)}_\d{{4}}-\d\d-\d\dT.*\.jsonl")
    found = [file for file in sorted(folder.rglob("samples_*.jsonl")) if wanted.fullmatch(file.name)]
    if not found:
        raise UserError(f"evaluate.suites: lm-eval left no answers to the items of {task}.")
    return found[-1]


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
