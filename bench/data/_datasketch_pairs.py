"""Run by D2 in datasketch's environment: its near pairs of a JSON list of texts, by its defaults."""

import json
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH

SHINGLE_WORDS = 5


def pairs_of(texts: list[str]) -> list[tuple[int, int]]:
    """Pairs that datasketch reports at threshold 0.7."""
    index = MinHashLSH(threshold=0.7, num_perm=128)
    found = []
    for number, text in enumerate(texts):
        words = text.split()
        shingles = [" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))]
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in shingles])
        found += [(int(other), number) for other in index.query(sketch)]
        index.insert(str(number), sketch)
    return found


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(pairs_of(json.loads(Path(sys.argv[1]).read_bytes()))), encoding="utf-8")
