"""Run by D3 in datatrove's environment: Parquet to kept documents by its four MinHash steps on two workers."""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.word_tokenizers import WordTokenizer

BANDS, ROWS, WORKERS = 32, 4, 2


class Words(WordTokenizer):
    """Words between spaces: the fastest there can be."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        """A text is one sentence."""
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """A text is one span."""
        return [(0, len(text))]


def main(source: Path, out: Path) -> None:
    """Signatures, buckets, clusters, filter."""
    config = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)
    reader = ParquetReader(str(source), text_key="text", id_key="id")
    words = Words()
    _run(out, "signatures", WORKERS, [reader, MinhashDedupSignature(str(out / "s"), config=config, language=words)])
    _run(out, "buckets", BANDS, [MinhashDedupBuckets(str(out / "s"), str(out / "b"), config=config)])
    _run(out, "clusters", 1, [MinhashDedupCluster(str(out / "b"), str(out / "r"), config=config)])
    _run(out, "filter", WORKERS, [reader, MinhashDedupFilter(str(out / "r")), ParquetWriter(str(out / "kept"))])


def _run(out: Path, name: str, tasks: int, pipeline: list[object]) -> None:
    LocalPipelineExecutor(pipeline, tasks=tasks, workers=WORKERS, logging_dir=str(out / "logs" / name)).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
