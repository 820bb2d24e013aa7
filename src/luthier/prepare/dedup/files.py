"""Near-duplicates in Parquet files of any size: which rows stay, and which leave for which."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from luthier.prepare.dedup.candidates import REMOVES, in_order, pairs_in
from luthier.prepare.dedup.clusters import Removed, cluster, rank
from luthier.prepare.dedup.signature import Signed, sign_texts
from luthier.prepare.dedup.store import open_store

KEPT, REMOVED = "kept.parquet", "removed.parquet"
KEPT_SCHEMA = pa.schema([("id", pa.string())])
REMOVED_SCHEMA = pa.schema([("id", pa.string()), ("representative", pa.string()), ("jaccard", pa.float64())])


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows in = kept + removed."""

    kept: int
    removed: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A row group, and its columns of ids and texts."""

    file: Path
    row_group: int
    columns: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a part becomes, so that its texts can be forgotten."""

    ids: pa.Array
    lengths: pa.Array
    signed: Signed


def drop_near_copies(
    source: Path, *, out: Path, id_column: str = "id", text_column: str = "text", workers: int = 1
) -> Counted:
    """Read a Parquet file, or a folder of them in order of name, and write what stays and what leaves into `out`.

    `kept.parquet` holds ids, `removed.parquet` id, representative, jaccard. Of near-duplicates (see `near_pairs`) the
    longest text stays, then the one with the smallest id; ids are unique text. Signatures are spilled into `out`; a
    worker holds one row group.
    """
    out.mkdir(parents=True, exist_ok=True)
    ids: list[pa.Array] = []
    lengths: list[pa.Array] = []
    with open_store(out) as store:
        tasks = _parts(source, columns=(id_column, text_column))
        for read in in_order(_read, tasks, workers=workers):
            store.add(read.signed)
            ids.append(read.ids)
            lengths.append(read.lengths)
        names = pa.chunked_array(ids, type=pa.string()).to_pylist()
        ranks = rank(names, lengths=pa.chunked_array(lengths, type=pa.int32()).to_numpy().tolist())
        pairs = pairs_in(store.close(), threshold=REMOVES, ranks=ranks)
    clusters = cluster(pairs, ids=names, ranks=ranks)
    pq.write_table(pa.table({"id": clusters.kept}, schema=KEPT_SCHEMA), out / KEPT, compression="zstd")
    pq.write_table(_removed(clusters.removed), out / REMOVED, compression="zstd")
    return Counted(kept=len(clusters.kept), removed=len(clusters.removed))


def _parts(source: Path, *, columns: tuple[str, str]) -> Iterator[_Part]:
    for file in sorted(source.glob("*.parquet")) if source.is_dir() else [source]:
        for row_group in range(pq.read_metadata(file).num_row_groups):
            yield _Part(file, row_group, columns)


def _read(part: _Part) -> _Read:
    with pq.ParquetFile(part.file) as file:
        table = file.read_row_group(part.row_group, columns=list(part.columns), use_threads=False).combine_chunks()
    ids, texts = (table.column(name).cast(pa.string()).combine_chunks() for name in part.columns)
    return _Read(ids=ids, lengths=pc.utf8_length(texts), signed=sign_texts(texts.to_pylist()))


def _removed(rows: list[Removed]) -> pa.Table:
    columns = {name: [getattr(row, name) for row in rows] for name in REMOVED_SCHEMA.names}
    return pa.table(columns, schema=REMOVED_SCHEMA)
