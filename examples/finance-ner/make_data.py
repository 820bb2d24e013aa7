"""Write the example's data: python make_data.py SOURCE

SOURCE is the gzipped file of tokens and BIO tags, a sentence a line, in the order of the agreements.
"""

import gzip
import json
import sys
from itertools import accumulate
from pathlib import Path

BEGINS = (1, 277, 367, 624)
"""Sentences, from 1, with which an agreement begins; the source does not name them."""
PASSAGE = 10
"""Sentences of a passage."""


def main() -> None:
    """Cut the source into passages of consecutive sentences, with entities as characters."""
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as source:
        sentences = [json.loads(line) for line in source]
    rows, agreement, since = [], 0, 0
    for number, sentence in enumerate(sentences, start=1):
        if number in BEGINS:
            agreement, since = agreement + 1, number
        passage = f"{agreement}-{(number - since) // PASSAGE + 1:02d}"
        text, entities = marked(sentence["tokens"], sentence["tags"])
        rows.append({"text": text, "entities": entities, "agreement": f"loan {agreement}", "passage": passage})
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    out = Path(__file__).parent / "data" / "loan_agreements.jsonl"
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def marked(tokens: list[str], tags: list[str]) -> tuple[str, list[dict[str, object]]]:
    """Words with spaces between them, and the entities in it as characters [start, end)."""
    starts = list(accumulate((len(token) + 1 for token in tokens), initial=0))
    entities: list[dict[str, object]] = []
    for place, tag in enumerate(tags):
        if tag == "O":
            continue
        if tag.startswith("I-") and place and tags[place - 1][2:] == tag[2:]:
            entities[-1]["end"] = starts[place + 1] - 1
        else:
            entities.append({"start": starts[place], "end": starts[place + 1] - 1, "label": tag[2:]})
    return " ".join(tokens), entities


if __name__ == "__main__":
    main()
