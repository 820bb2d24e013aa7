"""A corpus treated piece by piece: small ones here and now, large ones in shards that survive a kill."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.documents import document_of, read_documents, write_documents
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import example_of, read_examples, write_examples
from luthier.artifacts.shards import Shard, parts_of, plan, read_shard
from luthier.artifacts.tables import read_table, write_table
from luthier.compute.shards import Done, Executor, Facts, Task, run_shards
from luthier.errors import UserError
from luthier.prepare.candidate import row_id
from luthier.prepare.clean.cleaning import Judged
from luthier.prepare.clean.offsets import OffsetMap
from luthier.prepare.clean.quarantine import Fault
from luthier.prepare.convert import NOT_LEARNT_FROM, NOTHING_COMMON, Common, common_of
from luthier.prepare.material import Rooted, text_of_document
from luthier.prepare.private.mask import Finding
from luthier.prepare.treat import Recipe, Treated, document_input, row_input, treat_document, treat_rows
from luthier.records import Listener, Text, Tick

VERSION = 3
"""Rises when a shard becomes something else for the same input."""
EXAMPLES, DOCUMENTS = "examples.parquet", "documents.parquet"
NOTES = "notes.parquet"
ALWAYS_TAKEN, TAKEN_PER_BYTE = 800 << 20, 14
"""Bytes of memory that preparing takes, and that it takes for each byte of the corpus, with some to spare: 20,000 texts
of 26 MB took 0.9 GB, 80,000 of 104 MB took 1.5 GB."""
EVERY = 500
"""Rows between two words of progress."""
NOTES_SCHEMA = pa.schema(
    [
        ("leaves", pa.string()),
        ("judged", pa.bool_()),
        ("language", pa.string()),
        ("edited", pa.list_(pa.string())),
        ("faults", pa.list_(pa.struct([("rule", pa.string()), ("score", pa.float64()), ("note", pa.string())]))),
        (
            "findings",
            pa.list_(
                pa.struct(
                    [
                        ("type", pa.string()),
                        ("start", pa.int64()),
                        ("end", pa.int64()),
                        ("code", pa.string()),
                        ("action", pa.string()),
                    ]
                )
            ),
        ),
        ("copies", pa.list_(pa.int64())),
        ("extracted", pa.int64()),
    ]
)
"""What is known of the row or document at the same place: `copies` and `extracted` (a length) are its offset map."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where and by whom shards are worked on. It changes nothing in what they become."""

    store: Path
    """Folder for finished shards."""
    executor: Executor
    aim: int
    """Bytes of one shard, before compression."""


def check_memory(corpus: CorpusDir, *, free: int | None) -> None:
    """Raise UserError if preparing the corpus would take more than the `free` bytes of memory (None: nobody knows).

    Cleaning streams; what is left is then compared, split and worded in memory.
    """
    parts = parts_of(corpus.path, (EXAMPLES, DOCUMENTS))
    size, rows = (sum(getattr(part, name) for part in parts) for name in ("size", "rows"))
    needed = ALWAYS_TAKEN + TAKEN_PER_BYTE * size
    if free is None or needed <= free:
        return
    fitting = max(0, free - ALWAYS_TAKEN) * rows // (TAKEN_PER_BYTE * size)
    raise UserError(
        f"the corpus holds {size / 2**30:.1f} GiB in {rows:,} rows and documents, and preparing it takes about "
        f"{needed / 2**30:.0f} GiB of memory, of which {free / 2**30:.1f} are free. Add memory, or take a part: "
        f"a '#{fitting}' behind a name in collect.sources keeps that many of its rows, always the same ones."
    )


def treat_corpus(corpus: CorpusDir, recipe: Recipe, *, place: Workplace, listener: Listener) -> list[Treated]:
    """Every row and document of a corpus, treated, in the order of the corpus: rows first.

    A table of one shard is treated in this process and leaves nothing on disk.
    """
    recipe = replace(recipe, common=_common(corpus, recipe))
    treated: list[Treated] = []
    for table in (EXAMPLES, DOCUMENTS):
        shards = plan(parts_of(corpus.path, [table]), aim=place.aim)
        if table == DOCUMENTS and recipe.objective.record != "text":
            found = (text_of_document(document) for document in read_documents(corpus.file(table)))
            treated += [Treated(text, (), None, leaves=NOT_LEARNT_FROM[Text]) for text in found]
        elif len(shards) > 1:
            work = TreatShard(corpus.path, recipe)
            tasks = [Task(_key(corpus, recipe, shard), shard) for shard in shards]
            for shard, done in zip(
                shards,
                run_shards(work, tasks, store=place.store, executor=place.executor, listener=listener, word="cleaning"),
                strict=True,
            ):
                treated += read_treated(corpus.path, shard, done)
        else:
            for shard in shards:
                treated += _told(_treat(corpus.path, shard, recipe), total=shard.rows, listener=listener)
    return treated


@dataclass(frozen=True, slots=True)
class TreatShard:
    """Work on one shard: the treated rows or documents, and notes beside them."""

    corpus: Path
    recipe: Recipe

    def __call__(self, shard: Shard, folder: Path) -> Facts:
        """Write what the shard becomes; answers its count."""
        treated = list(_treat(self.corpus, shard, self.recipe))
        if shard.table == EXAMPLES:
            examples = [one.item for one in treated if not isinstance(one.item, Rooted)]
            write_examples(folder / EXAMPLES, examples)
        else:
            documents = [one.item.document for one in treated if isinstance(one.item, Rooted)]
            write_documents(folder / DOCUMENTS, documents)
        return {"rows": write_table(folder / NOTES, map(_note, treated), schema=NOTES_SCHEMA)}


def read_treated(corpus: Path, shard: Shard, done: Done) -> Iterator[Treated]:
    """What `TreatShard` wrote, in order."""
    notes = read_table(done.folder / NOTES)
    if shard.table == EXAMPLES:
        for example, note in zip(read_examples(done.folder / EXAMPLES), notes, strict=True):
            judged = None
            if note["judged"]:
                judged = Judged(row_input(row_id(example), example), _faults(note), note["language"])
            yield Treated(example, _findings(note), judged, note["leaves"], tuple(note["edited"]))
        return
    extracted = (row["text"] for row in read_shard(corpus, shard))
    for document, text, note in zip(read_documents(done.folder / DOCUMENTS), extracted, notes, strict=True):
        rooted = Rooted(document, text, _offsets(note, length=len(document.text)))
        judged = Judged(document_input(rooted), _faults(note), note["language"])
        yield Treated(rooted, _findings(note), judged, note["leaves"], tuple(note["edited"]))


def _treat(corpus: Path, shard: Shard, recipe: Recipe) -> Iterator[Treated]:
    rules, rows = recipe.rules(), read_shard(corpus, shard)
    if shard.table == EXAMPLES:
        return treat_rows(map(example_of, rows), recipe, rules)
    return (treat_document(document_of(row), recipe, rules) for row in rows)


def _told(treated: Iterable[Treated], *, total: int, listener: Listener) -> Iterator[Treated]:
    for done, one in enumerate(treated):
        if done % EVERY == 0:
            listener(Tick("prepare", done, total, "cleaning"))
        yield one


def _common(corpus: CorpusDir, recipe: Recipe) -> Common:
    if recipe.objective.record != "label":
        return NOTHING_COMMON
    shards = plan(parts_of(corpus.path, [EXAMPLES]))
    return common_of(example_of(row) for shard in shards for row in read_shard(corpus.path, shard))


def _key(corpus: CorpusDir, recipe: Recipe, shard: Shard) -> str:
    # Where the lists and the key lie is no matter; what stands in them is.
    settings = recipe.private.model_dump(mode="json", exclude={"names", "key"})
    thresholds = asdict(recipe.thresholds)
    return sha256_of(
        {
            "step": "treat",
            "version": VERSION,
            "corpus": corpus.digest,
            "shard": asdict(shard),
            "objective": recipe.objective.name,
            "common": asdict(recipe.common),
            "private": settings,
            "names": recipe.names_digest,
            "secret": recipe.secret.digest,
            "thresholds": {name: sorted(v) if isinstance(v, frozenset) else v for name, v in thresholds.items()},
        }
    )


def _note(one: Treated) -> Mapping[str, Any]:
    offsets = one.item.offsets if isinstance(one.item, Rooted) else None
    return {
        "leaves": one.leaves,
        "judged": one.judged is not None,
        "language": one.judged.language if one.judged else "",
        "edited": list(one.edited),
        "faults": [asdict(fault) for fault in one.judged.faults] if one.judged else [],
        "findings": [asdict(finding) for finding in one.findings],
        "copies": None if offsets is None else [number for copy in offsets.copies for number in copy],
        "extracted": None if offsets is None else offsets.source,
    }


def _offsets(note: Mapping[str, Any], *, length: int) -> OffsetMap | None:
    if note["copies"] is None:
        return None
    numbers = iter(note["copies"])
    return OffsetMap(tuple(zip(numbers, numbers, numbers, strict=True)), cleaned=length, source=note["extracted"])


def _faults(note: Mapping[str, Any]) -> tuple[Fault, ...]:
    return tuple(Fault(**fault) for fault in note["faults"])


def _findings(note: Mapping[str, Any]) -> tuple[Finding, ...]:
    return tuple(Finding(**finding) for finding in note["findings"])
