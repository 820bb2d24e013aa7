"""Parquet: rows in file order, numbered from 1."""

from collections.abc import Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.collect.reading import Source, unreadable_on
from luthier.records import Reject, Row

BATCH_ROWS = 1_000


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of a Parquet file."""
    with (
        unreadable_on(pa.ArrowException, OSError, UnicodeDecodeError, problem="damaged Parquet file"),
        pq.ParquetFile(source.path) as table,
    ):
        rows = chain.from_iterable(batch.to_pylist() for batch in table.iter_batches(batch_size=BATCH_ROWS))
        for number, values in enumerate(rows, start=1):
            yield Row(at=f"{source.name}:{number}", line=number, values=values)
