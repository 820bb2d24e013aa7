"""Run by D3 in datasketch's environment: Parquet to kept ids, the way its manual shows, with the hash it likes best."""

import sys

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from datasketch import MinHash, MinHashLSH
from pyarrow.dataset import dataset

WORDS, PERMUTATIONS, BANDS, ROWS = 5, 128, 32, 4


def kept_ids(source: str) -> list[str]:
    """Ids of texts that share no band with an earlier one that stays."""
    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    kept = []
    for batch in dataset(source, format="parquet").to_batches(columns=["id", "text"]):
        texts = (_shingles(text) for text in batch.column(1).to_pylist())
        sketches = MinHash.generator(texts, num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)
        for name, sketch in zip(batch.column(0).to_pylist(), sketches, strict=True):
            if not index.query(sketch):
                index.insert(name, sketch, check_duplication=False)
                kept.append(name)
    return kept


def _shingles(text: str) -> list[bytes]:
    words = text.lower().split()
    return [" ".join(words[at : at + WORDS]).encode() for at in range(max(1, len(words) - WORDS + 1))]


if __name__ == "__main__":
    pq.write_table(pa.table({"id": kept_ids(sys.argv[1])}), sys.argv[2])
