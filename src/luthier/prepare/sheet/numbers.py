"""Every number of the data sheet, as plain JSON; the page shows nothing that does not stand here."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.artifacts.canonical import hash_order
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.tables import read_table
from luthier.models.chat import Wording
from luthier.prepare.candidate import DUPLICATE, NEAR_DUPLICATE, PARTS, text_of
from luthier.prepare.clean.texts import Applied
from luthier.prepare.divide import Divided
from luthier.prepare.exam.choose import CONFLICT, LEAK, SAME, SURPLUS
from luthier.prepare.findings import Findings
from luthier.prepare.gather import Gathered
from luthier.prepare.label.known import ONLY_ROW
from luthier.prepare.likelihood import Likelihoods
from luthier.prepare.private.mask import Rules, shown_texts
from luthier.prepare.reading import TOO_LONG
from luthier.prepare.sheet.suspects import excerpt, look_at
from luthier.prepare.split.held_out import GIVEN_AWAY, HELD_OUT
from luthier.prepare.wording.answers import REWRITTEN, SEVERAL
from luthier.prepare.wording.chat import CALL, EARLIER, HIDDEN, REFUSED
from luthier.prepare.wording.tags import UNALIGNED
from luthier.prepare.wording.texts import INSIDE
from luthier.records import Worded

FORMAT = "luthier.sheet/1"
SAMPLES = 20
PAIRS = 20
MASKED_ROWS = 5
EXCERPT = 300
EDGES = (16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192)
"""Upper ends of the bars of the histogram of row lengths, in tokens."""
LICENCES = "your files: as you have them; general text: WordNet 3.0 licence; the base: see its folder"
UNDO = {
    TOO_LONG: "prepare.over_length: shorten, or a larger prepare.max_length",
    SURPLUS: "prepare.split.items_per_group: 100",
    CONFLICT: "mend the rows that answer one question in two ways",
    CALL: "end the conversation with an answer in words",
    EARLIER: "none needed: the exam asks for the last answer",
    **dict.fromkeys((*HIDDEN.values(), REFUSED, REWRITTEN), "choose a base whose chat template shows such calls"),
    SAME: "nothing to undo: the exam asks it once",
    SEVERAL: "nothing to undo: such rows are learnt where the split trains on them",
    ONLY_ROW: "add rows with this label",
    UNALIGNED: "mend the ends of the entities, so that they stand at the ends of words",
    INSIDE: "mend the ends of the answers, so that they stand at the ends of words",
    LEAK: "nothing to undo: an exam question that training gives away proves nothing",
    DUPLICATE: "nothing to undo: one of the equal rows stays",
    NEAR_DUPLICATE: "nothing to undo: the row it is nearest to stays",
    HELD_OUT: "prepare.split.held_out: []",
    GIVEN_AWAY: "prepare.split.held_out: []",
}
"""Rules outside of cleaning -> the line that undoes them, or what to do instead."""


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that the sheet tells about."""

    corpus: CorpusDir
    gathered: Gathered
    findings: Findings
    divided: Divided
    dropped: Sequence[Mapping[str, Any]]
    """Rows of dropped.parquet, masked."""
    wording: Wording
    rules: Rules
    likelihoods: Likelihoods | None
    about: Mapping[str, Any]
    """Name of the objective and the base, hashes, versions, and the command that makes all this again."""


def sheet(account: Account) -> dict[str, Any]:
    """The whole sheet; same inputs, same bytes."""
    return {
        "format": FORMAT,
        "about": {**account.about, "corpus": account.corpus.digest, "licences": LICENCES},
        "files": _files(account.corpus),
        "waterfall": _waterfall(account),
        "mended": dict(account.gathered.refined.edits),
        "rules": _rules(account),
        "duplicates": _duplicates(account),
        "private": _private(account),
        "split": _split(account),
        "rows": _rows(account),
        "languages": dict(account.gathered.refined.cleaned.languages),
        "labels": _labels(account),
        "look_at": look_at(account),
        "warnings": list(account.divided.warnings),
    }


def _files(corpus: CorpusDir) -> dict[str, Any]:
    entries = read_table(corpus.file("files.parquet"))
    outcomes: dict[str, dict[str, int]] = defaultdict(lambda: {"files": 0, "bytes": 0})
    types: Counter[str] = Counter()
    for entry in entries:
        outcomes[entry["outcome"]]["files"] += 1
        outcomes[entry["outcome"]]["bytes"] += entry["size"]
        types[entry["type"] or "not looked into"] += 1
    names = ("path", "type", "size", "outcome", "reason", "rows", "rejects", "documents", "characters", "coverage")
    pages = ("pages_read", "pages_scanned", "pages_plain", "tables")
    notable = [entry for entry in entries if entry["outcome"] != "ok" or entry["reason"] or entry["pages_plain"]]
    rejects = read_table(corpus.file("rejects.parquet"))
    return {
        "outcomes": {name: dict(counts) for name, counts in sorted(outcomes.items())},
        "types": dict(sorted(types.items())),
        "pages": {name: sum(entry[name] for entry in entries) for name in pages},
        "notable": [{name: entry[name] for name in names} for entry in notable],
        "rejects": {
            "rows": len(rejects),
            "first": [f"{row['file']}:{row['line']}: {row['reason']}" for row in rejects[:SAMPLES]],
        },
    }


def _waterfall(account: Account) -> list[dict[str, Any]]:
    """From what was collected to what is trained: one step per rule, whose sum is asserted."""
    counts, divided = account.divided.counts, account.divided
    steps = [{"step": "collected", "rows": counts["examples"] + counts["windows"], "kind": "total"}]
    left = Counter(row["rule"] for row in account.dropped)
    steps += [{"step": rule, "rows": -number, "kind": "gone"} for rule, number in left.items()]
    held = {"exam": len(divided.items), "validation": len(divided.validation)}
    steps += [{"step": f"kept apart for the {part}", "rows": -number, "kind": "held"} for part, number in held.items()]
    planted = divided.planted.rows
    steps += [{"step": "secrets planted", "rows": len(planted), "kind": "held"}] if planted else []
    rows = [*divided.train, *planted]
    assert sum(step["rows"] for step in steps) == len(rows), (steps, len(rows))
    trained = sum(sum(row.trained) for row in rows) or len(rows)
    return [*steps, {"step": "trained on", "rows": len(rows), "kind": "total", "trained_tokens": trained}]


def _rules(account: Account) -> list[dict[str, Any]]:
    """What every rule took, with samples and the line that undoes it; and what was held back."""
    applied = account.gathered.refined.cleaned.applied
    found = [_of_cleaning(one, account) for one in applied]
    named = {one.rule for one in applied}
    by_rule: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in account.dropped:
        if row["rule"] not in named:
            by_rule[row["rule"]].append(row)
    total = max(1, account.gathered.examples)
    for rule, rows in sorted(by_rule.items()):
        found.append(
            {
                "rule": rule,
                "source": "",
                "rows": len(rows),
                "share": len(rows) / total,
                "held": None,
                "setting": UNDO.get(rule, "mend the rows, or leave them out of collect.sources"),
                "samples": [
                    {"at": row["at"], "score": row["score"], "text": excerpt(row["text"], characters=EXCERPT)}
                    for row in _few(rows)
                ],
            }
        )
    return found


def _of_cleaning(one: Applied, account: Account) -> dict[str, Any]:
    places = {row["id"]: row["at"] for row in account.dropped}
    texts = shown_texts([(sample.id, sample.excerpt) for sample in one.samples], rules=account.rules)
    samples = [
        {"at": places.get(sample.id, one.source), "score": sample.score, "text": text}
        for sample, text in zip(one.samples, texts, strict=True)
    ]
    return {
        "rule": one.rule,
        "source": one.source,
        "rows": one.taken if one.held is None else one.wanted,
        "share": one.share,
        "held": one.held,
        "setting": one.setting,
        "samples": samples,
    }


def _few(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """20 rows that do not depend on order."""
    return sorted(rows, key=lambda row: hash_order(f"{row['id']}{row['at']}"))[:SAMPLES]


def _duplicates(account: Account) -> dict[str, Any]:
    near = account.gathered.near
    texts = {row["id"]: row for row in account.dropped if row["rule"] == NEAR_DUPLICATE}
    kept = {one.id: one for one in account.gathered.kept}
    pairs = []
    for one in sorted(near, key=lambda pair: (pair.jaccard, pair.id))[:PAIRS]:
        stays = kept.get(one.representative)
        pairs.append(
            {
                "jaccard": one.jaccard,
                "left": texts[one.id]["at"],
                "left_text": excerpt(texts[one.id]["text"], characters=EXCERPT),
                "stayed": stays.at if stays else "",
                "stayed_text": excerpt(text_of(stays.example), characters=EXCERPT) if stays else "",
            }
        )
    exact = sum(row["rule"] == DUPLICATE for row in account.dropped)
    return {"exact": exact, "near": len(near), "linked": account.gathered.linked, "pairs": pairs}


def _private(account: Account) -> dict[str, Any]:
    """By type and action; places and codes, never values."""
    spotted = account.gathered.refined.spotted
    counts = Counter((one.finding.type, one.finding.action) for one in spotted)
    different = {kind: len({one.finding.code for one in spotted if one.finding.type == kind}) for kind, _ in counts}
    first: dict[str, list[str]] = defaultdict(list)
    for one in sorted(spotted, key=lambda one: (one.at, one.finding.start)):
        if len(first[one.finding.type]) < SAMPLES:
            first[one.finding.type].append(f"{one.at}: {one.finding.code}")
    return {
        "found": [
            {"type": kind, "action": action, "count": number, "different": different[kind], "first": first[kind]}
            for (kind, action), number in sorted(counts.items())
        ]
    }


def _split(account: Account) -> dict[str, Any]:
    divided, gathered = account.divided, account.gathered
    groups = {part: len({row["group"] for row in divided.splits if row["part"] == part}) for part in PARTS}
    planted = divided.planted
    rows = {
        "train": len(divided.train) + len(planted.rows),
        "validation": len(divided.validation),
        "exam": len(divided.items),
    }
    sizes = sorted((len(group.members) for group in gathered.groups), reverse=True)
    return {
        "grouped_by": gathered.grouped_by,
        "groups": groups,
        "rows": rows,
        "largest_groups": sizes[:5],
        "leaking_items": len({leak.item for leak in divided.leaks}),
        "leaks_removed": dict(sorted(Counter(leak.kind for leak in divided.leaks).items())),
        "leaks_left": 0,
        "conflicts": len(gathered.conflicts),
        "made": divided.made.counts,
        "planted": {"secrets": len(planted.canaries), "rows": len(planted.rows)},
        "exam_root": divided.root,
    }


def _rows(account: Account) -> dict[str, Any]:
    divided = account.divided
    lengths = [len(row.ids) for row in divided.train]
    return {
        "lengths": _histogram(lengths),
        "longest": max(lengths, default=0),
        "tokens": sum(lengths),
        "trained_tokens": sum(sum(row.trained) for row in divided.train),
        "receipts": divided.receipts,
        "masked": [_shown(row, account.wording) for row in _first(divided.train)],
    }


def _histogram(lengths: Iterable[int]) -> list[dict[str, int]]:
    counts = Counter(next((edge for edge in EDGES if length <= edge), 2 * EDGES[-1]) for length in lengths)
    return [{"up_to": edge, "rows": counts[edge]} for edge in sorted(counts)]


def _first(rows: Sequence[Worded]) -> list[Worded]:
    return sorted(rows, key=lambda row: row.id)[:MASKED_ROWS]


def _shown(row: Worded, wording: Wording) -> dict[str, Any]:
    """A row as stretches of text, each trained or not; control tokens are shown as they are written."""
    stretches: list[dict[str, Any]] = []
    start = 0
    for place in range(1, len(row.ids) + 1):
        if place == len(row.ids) or row.trained[place] != row.trained[start]:
            text = str(wording.tokenizer.decode(list(row.ids[start:place]), skip_special_tokens=False))
            stretches.append({"trained": bool(row.trained[start]), "text": text})
            start = place
    return {"id": row.id, "at": row.at, "tokens": len(row.ids), "stretches": stretches}


def _labels(account: Account) -> dict[str, int]:
    labels = account.divided.labels.names
    counts = Counter(label for row in account.divided.train for label in row.labels)
    return {label: counts[place] for place, label in enumerate(labels)}
