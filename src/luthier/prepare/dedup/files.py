"""Near-duplicates in Parquet files of any size: which rows stay, and which leave for which."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from luthier.artifacts.canonical import sha256_of, sha256_of_file
from luthier.artifacts.shards import Shard, parts_of, plan
from luthier.artifacts.storage import write_atomic
from luthier.artifacts.tables import opened
from luthier.compute.shards import HERE, Executor, Facts, Task, run_shards
from luthier.errors import UserError
from luthier.prepare.dedup.candidates import REMOVES, pairs_in
from luthier.prepare.dedup.clusters import find_stars
from luthier.prepare.dedup.matching import Offsets
from luthier.prepare.dedup.signature import Signed, batches, sign_texts
from luthier.prepare.dedup.store import StoredSignatures, write_signed
from luthier.records import Listener, nobody_listens

VERSION = 1
"""Rises when a shard becomes something else for the same input."""
KEPT, REMOVED = "kept.parquet", "removed.parquet"
KEY = b"key"
SHARDS, IDS = "shards", "ids.arrow"
ID_SCHEMA = pa.schema([("id", pa.string()), ("length", pa.int32())])
HEAP = 31 << 20
"""Bytes of an array that, once freed, has the GNU C library keep what is freed later, instead of asking for new pages
for every array."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows in = kept + removed."""

    kept: int
    removed: int


def drop_near_copies(
    source: Path,
    *,
    out: Path,
    id_column: str = "id",
    text_column: str = "text",
    executor: Executor = HERE,
    listener: Listener = nobody_listens,
) -> Counted:
    """Read a Parquet file, or a folder of them in order of name, and write what stays and what leaves into `out`.

    `kept.parquet` holds ids, `removed.parquet` id, representative, jaccard. Of near-duplicates (see `near_pairs`) the
    longest text stays, then the one with the smallest id; ids are unique text. Finished shards stay in `out/shards`
    until all is done: after a kill the same call does only the rest, and after the end nothing. A worker holds one row
    group. UserError for a file without these columns, or with empty cells in them.
    """
    # Other machines work in other folders.
    out, (folder, tables) = out.absolute(), _tables(source.absolute())
    work = SignShard(folder, id_column, text_column)
    tasks = [Task(work.key(shard, digest), shard) for shard, digest in _shards(folder, tables)]
    key = sha256_of([task.key for task in tasks])
    counted = _counted(out, key) or _drop(work, tasks, key=key, out=out, executor=executor, listener=listener)
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    return counted


def _drop(
    work: "SignShard", tasks: Sequence[Task[Shard]], *, key: str, out: Path, executor: Executor, listener: Listener
) -> Counted:
    done = run_shards(work, tasks, store=out / SHARDS, executor=executor, listener=listener, word="near-duplicates")
    folders = [one.folder for one in done]
    rows = pa.concat_tables([ID_SCHEMA.empty_table(), *map(_read_ids, folders)]).combine_chunks()
    ranks = _ranks(rows)
    pairs = pairs_in(StoredSignatures(folders), threshold=REMOVES, ranks=ranks)
    stars = find_stars(pairs, ranks=ranks)
    leaves, ids = stars.leaves, rows.column("id")
    removed = {"id": ids.filter(pa.array(leaves)), "representative": ids.take(pa.array(stars.centres[leaves]))}
    _write(pa.table({"id": ids.filter(pa.array(~leaves))}), out / KEPT, key=key)
    _write(pa.table({**removed, "jaccard": stars.jaccard[leaves]}).sort_by("id"), out / REMOVED, key=key)
    return Counted(kept=len(leaves) - int(leaves.sum()), removed=int(leaves.sum()))


@dataclass(frozen=True, slots=True)
class SignShard:
    """Work on one shard: the ids of its rows, and the signatures of its texts."""

    source: Path
    id_column: str
    text_column: str

    def __call__(self, shard: Shard, folder: Path) -> Facts:
        """Write what the shard becomes; answers its count."""
        np.empty(HEAP, dtype=np.uint8)
        with pa.ipc.new_file(folder / IDS, ID_SCHEMA) as ids:
            write_signed(folder, self._signed(shard, ids))
        return {"rows": shard.rows}

    def key(self, shard: Shard, digest: str) -> str:
        """Hash of all that decides what a shard of a file with this digest becomes."""
        columns = [self.id_column, self.text_column]
        told = {"step": "near-duplicates", "version": VERSION, "columns": columns, "file": digest}
        return sha256_of(told | {"shard": asdict(shard)})

    def _signed(self, shard: Shard, ids: pa.RecordBatchFileWriter) -> Iterator[Signed]:
        for rows in self._row_groups(shard):
            rows_ids, texts = (rows.column(name).cast(pa.string()).combine_chunks() for name in rows.column_names)
            ids.write(pa.record_batch([rows_ids, pc.utf8_length(texts)], schema=ID_SCHEMA))
            for batch in batches(pc.binary_length(texts).to_numpy()):
                yield sign_texts(texts[batch].to_pylist())

    def _row_groups(self, shard: Shard) -> Iterator[pa.Table]:
        path, columns = self.source / shard.table, [self.id_column, self.text_column]
        with opened(path) as file:
            known = file.schema_arrow.names
            if lacking := [name for name in columns if name not in known]:
                raise UserError(f"{path}: no column {lacking[0]!r}, only {', '.join(known)}.")
            for number in range(shard.first, shard.last):
                rows = file.read_row_group(number, columns=columns, use_threads=False).select(columns)
                if empty := [name for name in columns if rows.column(name).null_count]:
                    raise UserError(f"{path}: empty cells in column {empty[0]!r}. Leave such rows out.")
                yield rows


def _tables(source: Path) -> tuple[Path, list[str]]:
    if not source.is_dir():
        return source.parent, [source.name]
    tables = sorted(path.name for path in source.glob("*.parquet"))
    if not tables:
        raise UserError(f"{source}: no Parquet files in this folder.")
    return source, tables


def _shards(folder: Path, tables: Sequence[str]) -> Iterator[tuple[Shard, str]]:
    """Every shard, and the digest of the file it is in."""
    for table in tables:
        shards = plan(parts_of(folder, [table]))
        digest = sha256_of_file(folder / table)
        yield from ((shard, digest) for shard in shards)


def _read_ids(folder: Path) -> pa.Table:
    with pa.ipc.open_file(pa.OSFile(str(folder / IDS))) as file:
        return file.read_all()


def _ranks(rows: pa.Table) -> Offsets:
    """Who stays: the longest, then the smallest id; see `clusters.rank`."""
    order = pc.sort_indices(rows, sort_keys=[("length", "descending"), ("id", "ascending")])
    ranks = np.empty(len(rows), dtype=np.int64)
    ranks[order.to_numpy()] = np.arange(len(rows))
    return ranks


def _write(table: pa.Table, path: Path, *, key: str) -> None:
    """Write a table that tells what it was made of."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks().replace_schema_metadata({KEY: key}), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def _counted(out: Path, key: str) -> Counted | None:
    """What both tables count, if they are there and made of the same."""
    counts = []
    for path in (out / KEPT, out / REMOVED):
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowInvalid, OSError):
            return None
        if (metadata.metadata or {}).get(KEY) != key.encode():
            return None
        counts.append(metadata.num_rows)
    return Counted(*counts)
