"""Parquet: rows in file order, numbered from 1; numbered classes by the names that Hugging Face keeps beside them."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from luthier.collect.reading import Source, unreadable_on
from luthier.records import Reject, Row

BATCH_ROWS = 1_000
FEATURES = b"huggingface"
"""Key of the schema's metadata under which the library `datasets` describes the columns."""
UNKNOWN = -1
"""The number of a class that nobody knows."""


def read(source: Source) -> Iterator[Row | Reject]:
    """Rows of a Parquet file."""
    with (
        unreadable_on(pa.ArrowException, OSError, UnicodeDecodeError, problem="damaged Parquet file"),
        pq.ParquetFile(source.path) as table,
    ):
        classes = _classes(table.schema_arrow.metadata or {})
        rows = chain.from_iterable(batch.to_pylist() for batch in table.iter_batches(batch_size=BATCH_ROWS))
        for number, values in enumerate(rows, start=1):
            for column in classes.keys() & values.keys():
                values[column] = _named(values[column], classes[column])
            yield Row(at=f"{source.name}:{number}", line=number, values=values)


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column -> names of its classes, for columns of numbered classes or lists of them."""
    try:
        features = orjson.loads(metadata.get(FEATURES, b"{}"))["info"]["features"]
        named = {column: _names(feature) for column, feature in features.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in named.items() if names}


def _names(feature: Any) -> list[str]:
    inner = feature.get("feature", feature) if isinstance(feature, Mapping) else feature
    inner = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    if not isinstance(inner, Mapping) or inner.get("_type") != "ClassLabel":
        return []
    return [str(name) for name in inner.get("names") or []]


def _named(value: Any, names: list[str]) -> Any:
    """The name of a class or of each in a list; a number without a name stays, for the row check to judge."""
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    if value == UNKNOWN:
        return None
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
