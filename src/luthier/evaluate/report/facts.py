"""How it was found: method, machine and hashes, for whoever wants to check."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from luthier.evaluate.report import words
from luthier.evaluate.report.answers import WON_BY
from luthier.evaluate.report.parts import Cell, Figure, Section, Table
from luthier.evaluate.statistics.cross_fit import se_factor

READ = {
    "bits_per_byte": "none: every token of the text is scored given those before it",
    "p_gold": "none: every option is scored given the text before it",
    "bits_per_token": "none: tokens that were hidden are scored given all that stands around them",
}
MEANING = Markup(
    "Everything above follows from evidence.json: recompute it with <code>luthier verify</code>, and compare the "
    "hashes below with those you were given by somebody you trust."
)


def facts(record: Mapping[str, Any]) -> Section:
    """Method, environment and hashes."""
    plan, look = record["plan"], record["look"]
    lines = [
        *_method(record["figures"].get("gain"), folds=plan.get("folds", 0)),
        ("Look", f"{look['number']}, spends {look['alpha']:.4g} on each side"),
        ("Claim", f"{plan['claim']}: items of documents {words.CLAIMS[plan['claim']]}"),
        ("Decoding", _decoding(record)),
        *_environment(record["environment"]),
    ]
    hashes = {
        "Evidence": record["sha256"],
        "Plan": record["plan_sha256"],
        "Exam root": record["exam"]["root"],
        "Dataset": record["exam"]["dataset"],
        "Base": record["models"]["base"]["digest"],
        "Tuned": record["models"]["tuned"]["digest"],
        "Ledger line": look["line"],
    }
    for number, fold in enumerate(record.get("folds", ()), start=1):
        hashes |= {f"Fold {number}, exam": fold["root"], f"Fold {number}, tuned": fold["model"]}
    rows = [(Cell(name), Cell(text)) for name, text in lines]
    rows += [(Cell(name), Cell(digest, "hash")) for name, digest in hashes.items()]
    table = Table("Method, machine and hashes", ("What", "Value"), tuple(rows))
    return Section("How this was found", (Figure(MEANING, table=table),), is_long=True)


def _method(found: Mapping[str, Any] | None, *, folds: int) -> list[tuple[str, str]]:
    if found is None or found["se"] is None:
        return []
    interval = f"{found['interval']}; standard error {found['se']:.4g}, {found['df']:.1f} degrees of freedom"
    if folds:
        interval += f"; {se_factor(folds):.2f} times as wide, for the rows that the models of {folds} folds share"
    return [("Interval", interval), ("Test", f"{found['test']}, p = {found['p']:.3g}")]


def _environment(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(environment["versions"].items()))
    machine = f"Python {environment['python']}, {environment['machine']}, {environment['device']}"
    machine += f", {environment['threads']} threads, {environment['dtype']}"
    return [("Versions", versions), ("Machine", machine)]


def _decoding(record: Mapping[str, Any]) -> str:
    if record["plan"]["primary"] in READ:
        return READ[record["plan"]["primary"]]
    if record["plan"]["primary"] == "win_rate":
        return "none: both answers of an item are read, and each is judged by how much likelier it became"
    if record["plan"]["primary"] in WON_BY:
        return "none: texts are ordered by the cosines of their vectors"
    if record["plan"]["decoding"] is None:
        probes = [fold["rules"].get("probe", {}) for fold in record.get("folds", ())]
        probes = probes or [record["environment"].get("probe", {})]
        ended = "converged" if all(probe.get("converged") for probe in probes) else "stopped before it converged"
        strengths = ", ".join(f"{probe.get('strength')}" for probe in probes)
        what = {"pair_accuracy": "larger reward", "token_f1": "most probable stretch of the text"}
        chosen = what.get(record["plan"]["primary"], "most probable label")
        return f"{chosen}; linear probe with C = {strengths}, {ended}"
    return f"greedy, at most {record['environment'].get('max_answer_tokens')} tokens"
