"""Near-duplicates in Parquet files of any size: which rows stay, and which leave for which."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

from luthier.prepare.dedup.candidates import REMOVES, SENT, pairs_in, sign_into
from luthier.prepare.dedup.clusters import Removed, cluster, rank
from luthier.prepare.dedup.store import open_store

KEPT, REMOVED = "kept.parquet", "removed.parquet"
KEPT_SCHEMA = pa.schema([("id", pa.string())])
REMOVED_SCHEMA = pa.schema([("id", pa.string()), ("representative", pa.string()), ("jaccard", pa.float64())])


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows in = kept + removed."""

    kept: int
    removed: int


def drop_near_copies(
    source: Path, *, out: Path, id_column: str = "id", text_column: str = "text", workers: int = 1
) -> Counted:
    """Read a Parquet file, or a folder of them in order of name, and write what stays and what leaves into `out`.

    `kept.parquet` holds ids, `removed.parquet` id, representative, jaccard. Of near-duplicates (see `near_pairs`) the
    longest text stays, then the one with the smallest id; ids are unique text. Signatures are spilled into `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    columns = [id_column, text_column]
    ids: list[pa.ChunkedArray] = []
    lengths: list[pa.ChunkedArray] = []

    def texts() -> Iterator[list[str]]:
        for batch in dataset(source, format="parquet").to_batches(
            batch_size=SENT, columns=columns, batch_readahead=1, fragment_readahead=1
        ):
            ids.append(batch.column(0).cast(pa.string()))
            lengths.append(pc.utf8_length(batch.column(1)))
            yield batch.column(1).to_pylist()

    with open_store(out) as store:
        signatures = sign_into(store, texts(), workers=workers)
        names = pa.chunked_array(ids, type=pa.string()).to_pylist()
        ranks = rank(names, lengths=pa.chunked_array(lengths, type=pa.int32()).to_numpy().tolist())
        pairs = pairs_in(signatures, threshold=REMOVES, ranks=ranks)
    clusters = cluster(pairs, ids=names, ranks=ranks)
    pq.write_table(pa.table({"id": clusters.kept}, schema=KEPT_SCHEMA), out / KEPT, compression="zstd")
    pq.write_table(_removed(clusters.removed), out / REMOVED, compression="zstd")
    return Counted(kept=len(clusters.kept), removed=len(clusters.removed))


def _removed(rows: list[Removed]) -> pa.Table:
    columns = {name: [getattr(row, name) for row in rows] for name in REMOVED_SCHEMA.names}
    return pa.table(columns, schema=REMOVED_SCHEMA)
