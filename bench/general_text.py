"""Make the general English text that retention is measured on, from the glosses of WordNet.

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet
    python bench/general_text.py wordnet/usr/share/wordnet src/luthier/prepare/general/wordnet.jsonl

A document holds definitions with their example sentences from one of WordNet's 45 lexical files, 300 to 500 bytes.
Equal input and seed give equal bytes.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

SEED = 0
DOCUMENTS = 320
SHORTEST, LONGEST = 300, 500
"""Bytes of a document."""
FILES = [
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl",
]
"""WordNet's lexical files, in the order of their numbers (lexnames(5WN))."""
UNWANTED = re.compile(
    r"offensive|derogat|disparag|obscen|vulgar|slang|slur|sexual|\bsex\b|intercourse|genital|prostitut|\brape|negro|"
    r"\bgenus\b|\bfamily\b|--|[^\x20-\x7e]|[\\`=*_<>\[\]{}|/]|\d{3}",
    re.IGNORECASE,
)
PATTERNS = {
    "noun": ("The word {word} means {gloss}.", "By {word} people mean {gloss}.", "We call it {word}: {gloss}."),
    "verb": ("To {word} is to {gloss}.", "To {word} means to {gloss}.", "When people {word}, they {gloss}."),
    "adj": ("Something {word} is {gloss}.", "If we say {word}, we mean {gloss}.", "The word {word} means {gloss}."),
    "adv": ("The word {word} means {gloss}.", "If it is done {word}, it is done {gloss}."),
}


def passages(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (lexical file, one definition with its examples as sentences)."""
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith("  "):
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split(" ")
            word = re.sub(r"\(\w+\)$", "", columns[4]).replace("_", " ")
            text = sentences(word, gloss.strip(), part)
            if text is not None:
                yield FILES[int(columns[1])], text


def sentences(word: str, gloss: str, part: str) -> str | None:
    """Turn one gloss into sentences; None where it would not read as English."""
    definition = gloss.split('"')[0].strip(" ;:,")
    quoted = re.findall(r'"([^"]+)"(?=;|$)', gloss)
    examples = [example for example in quoted if example.count(" ") >= 4]
    unbalanced = gloss.count('"') % 2 or definition.count("(") != definition.count(")")
    if unbalanced or not 15 <= len(definition) <= 150 or not examples or UNWANTED.search(f"{word} {gloss}"):
        return None
    patterns = PATTERNS[part]
    opening = patterns[len(definition) % len(patterns)].format(word=word, gloss=definition.removeprefix("to "))
    return " ".join([opening, *(sentence(example) for example in examples[:3])])


def sentence(text: str) -> str:
    """Write a quoted example as a sentence of its own."""
    text = text.strip(" ;,")
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def documents(folder: Path) -> list[dict[str, str]]:
    """Pack passages into documents, equally many from each lexical file as far as they reach."""
    by_file: dict[str, list[str]] = {name: [] for name in FILES}
    for name, text in passages(folder):
        by_file[name].append(text)
    dice = random.Random(SEED)
    made: list[list[dict[str, str]]] = []
    for name, texts in by_file.items():
        dice.shuffle(texts)
        packed = list(pack(texts))
        made.append([{"id": f"{name}-{index:02}", "text": text} for index, text in enumerate(packed)])
    rounds = max(map(len, made))
    chosen = [rows[turn] for turn in range(rounds) for rows in made if turn < len(rows)][:DOCUMENTS]
    return sorted(chosen, key=lambda row: row["id"])


def pack(texts: list[str]) -> Iterator[str]:
    """Join passages until a document is long enough; what would make it too long starts no document."""
    held: list[str] = []
    for text in texts:
        if len(" ".join([*held, text])) > LONGEST:
            continue
        held.append(text)
        if len(" ".join(held)) >= SHORTEST:
            yield " ".join(held)
            held = []


def main() -> None:
    """Write the documents as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    rows = documents(arguments.wordnet)
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    sizes = [len(row["text"]) for row in rows]
    print(f"{len(rows)} documents, {min(sizes)} to {max(sizes)} bytes, from {len({r['id'][:-3] for r in rows})} files")


if __name__ == "__main__":
    main()
