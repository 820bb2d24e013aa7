"""D2: are near-duplicates found, none falsely, none by chaining, and no short rows that differ in a number?

1,500 Zipf documents, 500 copies with 0 to 12 words replaced, moved or cut, and 500 rows of 1 to 4 words that differ in
a number. Truth is the exact Jaccard similarity of all pairs, from sets of text. datasketch with its defaults (128
permutations, threshold 0.7) is asked the same, in an environment of its own.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any

from bench.data._near_texts import NearTexts, exact_similarities, near_texts
from bench.peers import peer_python
from bench.record import Asked, Outcome, run_bench, say

from luthier.prepare.dedup.candidates import near_pairs
from luthier.prepare.dedup.clusters import cluster, rank
from luthier.prepare.dedup.matching import matching_copy

RECALL = 0.99
BANDS = ((0.7, 0.8), (0.8, 0.9), (0.9, 1.01))
DATASKETCH = "datasketch==2.0.0"
Similarities = Mapping[tuple[int, int], float]


def measure(asked: Asked) -> Outcome:
    """All pairs of one corpus; the quick form is a tenth of it."""
    size = 10 if asked.quick else 1
    made = near_texts(asked.seed, documents=1_500 // size, copies=500 // size, short=500 // size)
    copies = [matching_copy(text) for text in made.texts]
    exact = exact_similarities(copies, least=0.5)
    truth = {pair: j for pair, j in exact.items() if j >= BANDS[0][0] and not _differ(made, copies, pair)}
    ids = [f"{number:05}" for number in range(len(copies))]
    ranks = rank(ids, lengths=[len(copy) for copy in copies])
    pairs = near_pairs(copies, ranks=ranks)
    clusters = cluster(pairs, ids=ids, ranks=ranks)
    found = {(pair.a, pair.b): pair.jaccard for pair in pairs}
    recall = _recall(_with_equals(found, copies), truth)
    wrong = [pair for pair, j in found.items() if pair not in truth or abs(truth[pair] - j) > 1e-12]
    stars: dict[str, list[int]] = {}
    for one in clusters.removed:
        stars.setdefault(one.representative, [int(one.representative)]).append(int(one.id))
    together = [pair for star in stars.values() for pair in combinations(sorted(star), 2)]
    chained = sum(exact.get(pair, 0.0) < 0.5 for pair in together)
    merged = sum(_differ(made, copies, pair) for pair in together)
    value: dict[str, Any] = {
        "recall": recall,
        "precision": 1 - len(wrong) / max(1, len(found)),
        "chained": chained,
        "short_merged": merged,
    }
    say(json.dumps({"pairs": _counts(truth), **value}))
    peer = _datasketch(copies, truth)
    return Outcome(
        holds=min(recall.values()) >= RECALL and not wrong and not chained and not merged,
        value=value,
        bar="recall >= 0.99 in each band, precision 1, 0 chained pairs, 0 short rows merged wrongly",
        peer=peer,
        detail={"pairs": _counts(truth), "removed": len(clusters.removed), "clusters": len(stars)},
        versions={"datasketch": DATASKETCH.partition("==")[2]},
    )


def _recall(found: Similarities, truth: Similarities) -> dict[str, float]:
    shares = {}
    for low, high in BANDS:
        wanted = [pair for pair, j in truth.items() if low <= j < high]
        shares[f"{low:g}-{min(high, 1):g}"] = round(sum(pair in found for pair in wanted) / max(1, len(wanted)), 4)
    return shares


def _counts(truth: Similarities) -> list[int]:
    return [sum(low <= j < high for j in truth.values()) for low, high in BANDS]


def _differ(made: NearTexts, copies: list[str], pair: tuple[int, int]) -> bool:
    """True for short rows with different numbers."""
    return set(pair) <= made.short and len({copies[place].split()[-1] for place in pair}) == 2


def _with_equals(found: Similarities, copies: list[str]) -> Similarities:
    """Pairs of equal texts are told once, with the best of them: what holds for it holds for the others."""
    alike: dict[str, list[int]] = {}
    for number, copy in enumerate(copies):
        alike.setdefault(copy, []).append(number)
    return {
        (min(a, b), max(a, b)): j
        for pair, j in found.items()
        for a, b in product(alike[copies[pair[0]]], alike[copies[pair[1]]])
        if a != b
    }


def _datasketch(copies: list[str], truth: Similarities) -> dict[str, float]:
    python = peer_python("datasketch", requirements=[DATASKETCH])
    with tempfile.TemporaryDirectory() as folder:
        texts, pairs = Path(folder) / "texts.json", Path(folder) / "pairs.json"
        texts.write_text(json.dumps(copies), encoding="utf-8")
        program = Path(__file__).with_name("_datasketch_pairs.py")
        subprocess.run([str(python), str(program), str(texts), str(pairs)], check=True)
        found = {(a, b): 1.0 for a, b in json.loads(pairs.read_bytes())}
    return _recall(found, truth)


if __name__ == "__main__":
    run_bench("data.d2", measure, about=__doc__)
