"""Private data and secrets: what is found, what is taken for private by mistake, and how fast.

2,000 sentences in twelve locales; the truth is where their generator put a value. A value counts as found only if its
type and its first and last character are right. Speed and false alarms are measured on real text besides: Python's
standard library and the texts of the medical example, with the sentences strewn among them. Presidio reads the same
sentences with all its pattern recognisers, and one of its findings is right if it merely overlaps a value of any type.
"""

import json
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data._private_sentences import KINDS, STRUCTURED, Sentence, make_sentences
from bench.data._private_values import all_names
from bench.peers import peer_python
from bench.record import ROOT, Asked, Outcome, run_bench, say

from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.mask import Rules, make_rules, mask_texts
from luthier.prepare.private.names import NameFinder
from luthier.prepare.private.pseudonym import PseudonymKey

COUNT, QUICK_COUNT = 2_000, 400
RECALL, PRECISION, SPEED = 0.99, 0.98, 10.0
PEER = ("presidio-analyzer==2.2.366", "spacy==3.8.18")
TYPES = {
    "ipv4": "ip",
    "ipv6": "ip",
    "cloud_key": "api_key",
    "service_key": "api_key",
}
"""Kinds of the generator that Luthier calls otherwise."""
LONG = 5_000
"""Characters of real text between two planted sentences."""
SHOWN = 20


def measure(asked: Asked) -> Outcome:
    """Mask the sentences, judge every span, then read real text against the clock."""
    sockets: list[str] = []
    sys.addaudithook(lambda event, _: sockets.append(event) if event.startswith("socket.") else None)
    sentences = make_sentences(asked.seed, count=QUICK_COUNT if asked.quick else COUNT)
    rules = make_rules(PrivateConfig(), key=PseudonymKey(b"a key of 32 bytes for the bench."))
    rules = Rules(key=rules.key, detectors=(*rules.detectors, NameFinder(all_names())))
    texts = [sentence.text for sentence in sentences]
    began = time.process_time()
    masked = mask_texts(texts, rules=rules)
    dense = sum(map(len, texts)) / 1e6 / (time.process_time() - began)
    found = [[(one.type, one.start, one.end) for one in result.findings] for result in masked]
    judged = judge(sentences, found)
    speed = real_text(texts, rules, quick=asked.quick)
    opened = len(sockets)
    peer = presidio(sentences)
    value = {
        "recall": judged["structured"]["recall"],
        "precision": judged["structured"]["precision"],
        "recall_all": judged["all"]["recall"],
        "precision_all": judged["all"]["precision"],
        "megabytes_per_second": speed["megabytes_per_second"],
        "sockets": opened,
    }
    say(f"{value}; sentences alone {dense:.2f} MB/s")
    return Outcome(
        holds=value["recall"] >= RECALL
        and value["precision"] >= PRECISION
        and value["megabytes_per_second"] >= SPEED
        and opened == 0,
        value=value,
        bar=f"structured types: recall >= {RECALL:.0%}, precision >= {PRECISION:.0%}; >= {SPEED:.0f} MB/s; 0 sockets",
        peer={name: peer[name] for name in ("recall", "precision", "megabytes_per_second")},
        detail={**judged, "real_text": speed, "sentences_alone_mb_per_second": round(dense, 2), "presidio": peer},
        versions={"presidio-analyzer": PEER[0].partition("==")[2]},
    )


Spans = Sequence[tuple[str, int, int]]


def judge(sentences: Sequence[Sentence], found: Sequence[Spans]) -> dict[str, Any]:
    """Recall and precision by kind, exact to the character."""
    hit, total, wrong = Counter[str](), Counter[str](), Counter[str]()
    right = Counter[str]()
    shown = 0
    for sentence, spans in zip(sentences, found, strict=True):
        truths = {(TYPES.get(one.kind, one.kind), one.start, one.end): one.kind for one in sentence.truths}
        for truth, kind in truths.items():
            total[kind] += 1
            hit[kind] += truth in spans
        right.update(truths[span] for span in spans if span in truths)
        bad = [span for span in spans if span not in truths]
        wrong.update(_kind(span[0]) for span in bad)
        if (bad or any(truth not in spans for truth in truths)) and shown < SHOWN:
            shown += 1
            missed = [sentence.text[start:end] for _, start, end in truths if (_, start, end) not in spans]
            say(f"{sentence.locale} {sentence.trap} missed {missed} wrong {bad}: {sentence.text[:160]!r}")
    return {
        "kinds": {kind: {"recall": hit[kind] / total[kind], "of": total[kind]} for kind in sorted(total)},
        "wrong": dict(sorted(wrong.items())),
        "structured": _shares(STRUCTURED, hit, total, wrong),
        "all": _shares(frozenset(KINDS), hit, total, wrong),
    }


def _kind(found: str) -> str:
    return {"ip": "ipv4", "api_key": "service_key"}.get(found, found)


def _shares(kinds: frozenset[str], hit: Counter[str], total: Counter[str], wrong: Counter[str]) -> dict[str, float]:
    hits, false = sum(hit[kind] for kind in kinds), sum(wrong[kind] for kind in kinds)
    return {"recall": hits / sum(total[kind] for kind in kinds), "precision": hits / (hits + false)}


def real_text(sentences: Sequence[str], rules: Rules, *, quick: bool) -> dict[str, Any]:
    """Megabytes per second of one core on real text with planted sentences, and what is found in it without them."""
    plain = _real_texts(2_000_000 if quick else 12_000_000)
    size = sum(map(len, plain))
    strewn, at = [], 0
    for text in plain:
        parts = [text[start : start + LONG] for start in range(0, len(text), LONG)]
        strewn.append(
            "\n".join(f"{part}\n{sentences[(at + place) % len(sentences)]}" for place, part in enumerate(parts))
        )
        at += len(parts)
    began = time.process_time()
    mask_texts(strewn[:1], rules=rules)
    began = time.process_time()
    for text in strewn:
        mask_texts([text], rules=rules)
    seconds = time.process_time() - began
    alarms: Counter[str] = Counter()
    for text in plain:
        alarms.update(one.type for one in mask_texts([text], rules=rules)[0].findings)
    return {
        "megabytes_per_second": round(sum(map(len, strewn)) / 1e6 / seconds, 1),
        "planted": at,
        "megabytes": round(size / 1e6, 1),
        "found_in_plain_per_megabyte": {kind: round(count / size * 1e6, 2) for kind, count in sorted(alarms.items())},
    }


def _real_texts(most: int) -> list[str]:
    """Texts of at least one page, from folders that every checkout and every Python has."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [*sorted((ROOT / "examples").rglob("data/*.tsv")), *sorted((ROOT / "examples").rglob("data/*.csv"))]
    files += [
        *sorted((ROOT / "examples").rglob("data/**/*.html")),
        *sorted(library.glob("*.py")),
        *sorted(library.glob("*/*.py")),
    ]
    texts, size = [], 0
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if size + len(text) <= most and "site-packages" not in file.parts:
            texts.append(text)
            size += len(text)
    return texts


def presidio(sentences: Sequence[Sentence]) -> dict[str, Any]:
    """Presidio's best recall and precision over thresholds of its score, generously judged."""
    python = peer_python("presidio", requirements=PEER)
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("_peer_presidio.py"))],
        input=json.dumps([sentence.text for sentence in sentences]),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    rows = [_generous(sentences, answer["found"], threshold) for threshold in (0.0, 0.3, 0.5, 0.8)]
    best = max(rows, key=lambda row: row["recall"] * row["precision"] / (row["recall"] + row["precision"] + 1e-9))
    size = sum(len(sentence.text) for sentence in sentences)
    speed = round(size / 1e6 / answer["seconds"], 3)
    return {**best, "megabytes_per_second": speed, "recognizers": answer["recognizers"], "by_threshold": rows}


def _generous(sentences: Sequence[Sentence], found: Sequence[Any], threshold: float) -> dict[str, float]:
    hits = total = right = given = 0
    for sentence, rows in zip(sentences, found, strict=True):
        truths = [one for one in sentence.truths if one.kind in STRUCTURED]
        spans = [(start, end) for _, start, end, score in rows if score >= threshold]
        hits += sum(any(start < one.end and one.start < end for start, end in spans) for one in truths)
        total += len(truths)
        right += sum(any(start < one.end and one.start < end for one in sentence.truths) for start, end in spans)
        given += len(spans)
    return {"threshold": threshold, "recall": hits / total, "precision": right / max(given, 1)}


if __name__ == "__main__":
    run_bench("data.d5", measure, about=__doc__)
