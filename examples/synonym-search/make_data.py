"""Make the example's data from a JSON Lines file of ICD-10-CM (optionally gzipped).

    python make_data.py SOURCE [FOLDER]

One line of SOURCE: {"code", "text", "leaf", "includes": [inclusion terms]}.
Same source, same bytes out: terms are drawn by the hash of what they say.
"""

import argparse
import gzip
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

PER_CODE = 2
PER_CATEGORY = 4
LONGEST_TEXT = 110
REFERENCE = re.compile(r"classif|listed in|categor|\b[A-Z]\d{2}\b|^conditions? |:|NOS\b|NEC\b", re.IGNORECASE)
WORD = re.compile(r"[a-z]+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "data")
    arguments = parser.parse_args()
    pairs = draw(read_source(arguments.source))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = ["query\tpositive\tcode", *("\t".join(pair) for pair in pairs)]
    (arguments.folder / "synonyms.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(len(pairs), "pairs of", len({code[:3] for _, _, code in pairs}), "categories")


def read_source(source: Path) -> list[tuple[str, str, str]]:
    """Every inclusion term with the title and the code it belongs to."""
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    entries = [json.loads(line) for line in content.splitlines()]
    return [(term.strip(), entry["text"], entry["code"]) for entry in entries for term in entry["includes"]]


def draw(pairs: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """At most 2 terms of a code and 4 of a category, no term twice, in the order of the codes."""
    codes, categories, seen = Counter[str](), Counter[str](), set[str]()
    drawn = []
    for pair in sorted(pairs, key=lambda pair: hashlib.sha256("\t".join(pair).encode()).digest()):
        term, title, code = pair
        full = codes[code] == PER_CODE or categories[code[:3]] == PER_CATEGORY
        if full or term.casefold() in seen or not stands_alone(term, title):
            continue
        seen.add(term.casefold())
        codes[code] += 1
        categories[code[:3]] += 1
        drawn.append(pair)
    return sorted(drawn, key=lambda pair: (pair[2], pair[0]))


def stands_alone(term: str, title: str) -> bool:
    """Short, citing no other code, and more than the title with its words moved about."""
    words = set(WORD.findall(term.lower()))
    moved = words <= set(WORD.findall(title.lower()))
    return len(term) <= LONGEST_TEXT and bool(words) and not REFERENCE.search(term) and not moved


if __name__ == "__main__":
    main()
