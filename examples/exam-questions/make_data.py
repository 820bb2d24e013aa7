"""Make `data/questions.jsonl` from a file of MedMCQA rows: `python make_data.py medmcqa_val.jsonl.gz`."""

import gzip
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

MOST = 120
"""Questions of one subject."""
FEWEST = 30
"""Subjects with fewer questions are left out."""


def main() -> None:
    """Draw questions with a fixed seed, the subjects as they come."""
    subjects: dict[str, dict[str, str]] = defaultdict(dict)
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = f"{row['question'].strip()}\n" + "\n".join(f"- {option}" for option in row["options"])
            subjects[row["subject"]].setdefault(row["question"].strip().casefold(), text)
    dice = random.Random(0)
    rows = []
    for subject in sorted(subjects):
        texts = sorted(subjects[subject].values())
        if subject != "Unknown" and len(texts) >= FEWEST:
            rows += [{"text": text, "label": subject} for text in dice.sample(texts, min(MOST, len(texts)))]
    dice.shuffle(rows)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (Path(__file__).parent / "data" / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
