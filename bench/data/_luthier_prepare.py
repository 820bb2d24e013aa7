"""Run by D4: a folder of texts in Parquet to a dataset for plain text; the last line tells the digests and counts."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
from bench.data._wordings import wordings

import luthier.prepare.stage as stage
from luthier.artifacts.documents import write_documents
from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.rows import write_examples
from luthier.collect.ledger import Refused, write_files
from luthier.compute.shards import HERE, Processes
from luthier.models.bases import Base
from luthier.objectives import objective
from luthier.prepare.config import PrepareConfig, Target
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.records import Document

SHARD = 1 << 20
"""Bytes of a shard, less than usual: 10 MB become as many as 500 MB otherwise."""


def run(source: Path, out: Path, workers: int) -> None:
    """Write a corpus of one document a text, and prepare it."""
    documents = (
        Document(id=f"{number:064x}", file=f"{number // 100:04}/{number:06}.txt", kind="text", title="", text=text)
        for number, text in enumerate(pq.read_table(source).column("text").to_pylist())
    )
    with building(out / CorpusDir.kind, CorpusDir, key="texts", settings={}, inputs={}) as draft:
        write_examples(draft.path / "examples.parquet", [])
        write_documents(draft.path / "documents.parquet", documents)
        write_files(draft.path / "files.parquet", [])
        with Refused(draft.path / "rejects.parquet"):
            pass  # none
    folder, _ = wordings(out / "tokenizers")["plain"]
    base = Base(name="d4", folder=folder, digest="d" * 64, architecture="decoder", context=512, hub_name="d4")
    target = Target(base, objective("complete"), PseudonymKey(b"k" * 32), out)
    stage.AIM = SHARD
    prepared = stage.prepare(
        CorpusDir.open(out / CorpusDir.kind),
        target=target,
        config=PrepareConfig(),
        out=out / "prepared",
        executor=HERE if workers == 1 else Processes(workers),
    )
    counts = prepared.dataset.manifest.counts
    print(json.dumps({"dataset": prepared.dataset.digest, "exam": prepared.exam.digest, "counts": counts}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
