"""Make the example's pairs from a JSON Lines file of ICD-10-CM (optionally gzipped).

    python make_data.py SOURCE [FOLDER]

One line of SOURCE: {"code", "text", "chapter", "label", ...}. Same source, same bytes out: the draw is seeded.
"""

import argparse
import gzip
import json
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

SEED = 20260401
PAIRS_PER_CHAPTER = 70
LONGEST_TEXT = 90
QUESTION = "Which ICD-10-CM chapter does this diagnosis belong to? {text}"
REFERENCE = re.compile(r"classif|listed in|categor|\b[A-Z]\d{2}\b|^conditions? |:", re.IGNORECASE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "data")
    arguments = parser.parse_args()
    pairs = make_pairs(read_source(arguments.source), random.Random(SEED))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs]
    (arguments.folder / "reviewed_answers.jsonl").write_text("".join(lines), encoding="utf-8")
    print(len(pairs), "pairs;", len({pair["code"][:3] for pair in pairs}), "categories")


def read_source(source: Path) -> list[dict[str, Any]]:
    """One title for each category: the shortest that makes sense by itself."""
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    titles = [json.loads(line) for line in content.decode("utf-8").splitlines()]
    kept: dict[str, dict[str, Any]] = {}
    for title in sorted(titles, key=lambda each: (len(each["text"]), each["code"])):
        if len(title["text"]) <= LONGEST_TEXT and not REFERENCE.search(title["text"]):
            kept.setdefault(title["code"][:3], title)
    return sorted(kept.values(), key=lambda title: title["code"])


def make_pairs(titles: list[dict[str, Any]], chance: random.Random) -> list[dict[str, str]]:
    """Each diagnosis with its chapter, preferred to another that is drawn as often as chapters are right."""
    by_chapter: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for title in titles:
        by_chapter[title["label"]].append(title)
    drawn = [
        title
        for chapter in sorted(by_chapter)
        for title in chance.sample(by_chapter[chapter], min(PAIRS_PER_CHAPTER, len(by_chapter[chapter])))
    ]
    chapters = [title["label"] for title in drawn]
    chance.shuffle(drawn)
    pairs = []
    for title in drawn:
        worse = title["label"]
        while worse == title["label"]:
            worse = chance.choice(chapters)
        question = QUESTION.format(text=title["text"])
        pairs.append({"prompt": question, "chosen": title["label"], "rejected": worse, "code": title["code"]})
    return pairs


if __name__ == "__main__":
    main()
