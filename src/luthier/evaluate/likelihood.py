"""Nats of general text under base and tuned, document by document."""

from collections.abc import Sequence
from typing import Any, Protocol

from luthier.errors import UserError
from luthier.evaluate.report.evidence import document_id
from luthier.records import Listener, Worded, nobody_listens


class Reads(Protocol):
    """An engine that gives likelihoods."""

    def nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener) -> list[float]:
        """Nats of the trained tokens of each row."""


def general_text(rows: Sequence[Worded], *, engine: Reads, listener: Listener = nobody_listens) -> dict[str, list[Any]]:
    """Columns document, bytes, base_nats, tuned_nats; rows of one group are added up to one document."""
    base = engine.nats(rows, adapter=False, listener=listener)
    tuned = engine.nats(rows, adapter=True, listener=listener)
    sums: dict[str, list[float]] = {}
    for row, base_nats, tuned_nats in zip(rows, base, tuned, strict=True):
        if base_nats <= 0 or tuned_nats <= 0:
            raise UserError(f"general text {row.id} ({row.at}): no likelihood. The row has no tokens to judge.")
        document = sums.setdefault(row.group, [0, 0.0, 0.0])
        for place, value in enumerate((row.answer_bytes, base_nats, tuned_nats)):
            document[place] += value
    columns = list(zip(*sums.values(), strict=True)) if sums else [(), (), ()]
    return {
        "document": [document_id(name) for name in sums],
        "bytes": list(columns[0]),
        "base_nats": list(columns[1]),
        "tuned_nats": list(columns[2]),
    }
