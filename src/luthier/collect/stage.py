"""Files in, CorpusDir out: every file and every row accounted for."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from luthier.artifacts.folders import CorpusDir, building, find
from luthier.artifacts.rows import write_examples
from luthier.collect.config import CollectConfig, corpus_key, hash_files, key_settings
from luthier.collect.corpus import Corpus, read_corpus
from luthier.collect.formats.detect import names_from
from luthier.collect.ledger import write_files, write_rejects
from luthier.collect.walk import find_files
from luthier.errors import UserError
from luthier.records import Listener, Reject, nobody_listens

MOST_LOSSES = 0.2
"""Share of bytes that may be lost before the run stops."""
SHOWN = 5


def collect(
    sources: Sequence[Path], *, config: CollectConfig, out: Path, listener: Listener = nobody_listens
) -> CorpusDir:
    """Read files and folders into `out`; a folder there with the same key is returned as it is.

    Raises UserError if there is nothing to read, a table's columns fit no format, a file has no good row, or more
    rows or bytes are bad than `config` accepts; NotFoundError if a source is missing.
    """
    found = find_files(sources)
    hashes = hash_files(found)
    key = corpus_key(hashes, config=config)
    ready = find(out, CorpusDir, key=key)
    if ready is not None:
        assert isinstance(ready, CorpusDir)
        return ready
    if not any(entry.skipped is None for entry in found):
        raise UserError(_explain_nothing(sources, [f"{entry.name} ({entry.skipped})" for entry in found]))
    corpus = read_corpus(
        found, hashes=hashes, names=names_from(config.columns), wanted=config.format, listener=listener
    )
    check_corpus(corpus, bad_rows=config.bad_rows, accept_losses=config.accept_losses)
    with building(out, CorpusDir, key=key, settings=key_settings(config), inputs=hashes) as draft:
        draft.counts.update(corpus.counts())
        draft.facts["tables"] = {
            name: {"format": fit.format.name, "columns": dict(fit.roles)} for name, fit in corpus.fits.items()
        }
        write_files(draft.path / "files.parquet", corpus.entries)
        write_examples(draft.path / "examples.parquet", corpus.examples)
        write_rejects(draft.path / "rejects.parquet", corpus.rejects)
    return CorpusDir.open(out)


def check_corpus(corpus: Corpus, *, bad_rows: float, accept_losses: bool) -> None:
    """Raise UserError if too little of what lies in the sources could be used."""
    barren = [entry.path for entry in corpus.entries if entry.rows and entry.rows == entry.rejects]
    if barren:
        raise UserError(f"{barren[0]}: no good row.\n{_list_rejects(corpus.rejects)}\nMend the file or take it out.")
    rows = sum(entry.rows for entry in corpus.entries)
    if rows and len(corpus.rejects) / rows > bad_rows:
        share = len(corpus.rejects) / rows
        raise UserError(
            f"{len(corpus.rejects):,} of {rows:,} rows are bad ({share:.1%}; accepted are {bad_rows:.1%}).\n"
            f"{_list_rejects(corpus.rejects)}\n"
            f"Mend the rows, or accept them with collect.bad_rows: {_rounded_up(share)}"
        )
    if corpus.bytes_lost > MOST_LOSSES * corpus.bytes_counted and not accept_losses:
        raise UserError(
            f"{corpus.bytes_lost:,} of {corpus.bytes_counted:,} bytes could not be read.\n{_list_lost(corpus)}\n"
            f"Mend the files or take them out, or go on without them with collect.accept_losses: true"
        )
    if not corpus.examples:
        raise UserError(f"not one example was found.\n{_list_lost(corpus, also_empty=True)}\nAdd a file with rows.")


def _explain_nothing(sources: Sequence[Path], skipped: list[str]) -> str:
    where = ", ".join(map(str, sources))
    seen = f" Skipped: {', '.join(skipped[:SHOWN])}." if skipped else ""
    return f"{where}: no files to read.{seen} Put your data there or change collect.sources."


def _list_rejects(rejects: Sequence[Reject]) -> str:
    by_reason: dict[str, list[Reject]] = defaultdict(list)
    for bad in rejects:
        by_reason[re.sub(r"\d+", "N", bad.reason)].append(bad)
    lines = []
    for group in by_reason.values():
        lines += [f"  {bad}" for bad in group[:SHOWN]]
        if len(group) > SHOWN:
            lines.append(f"  ... and {len(group) - SHOWN:,} more like these")
    return "\n".join(lines)


def _list_lost(corpus: Corpus, *, also_empty: bool = False) -> str:
    entries = [entry for entry in corpus.entries if entry.is_lost or (also_empty and entry.outcome == "empty")]
    lines = [f"  {entry.path}: {entry.outcome}: {entry.reason}" for entry in entries[:SHOWN]]
    return "\n".join([*lines, *([f"  ... and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else [])])


def _rounded_up(share: float) -> str:
    return f"{min(1.0, share * 1.05 + 0.0005):.3f}".rstrip("0").rstrip(".")
