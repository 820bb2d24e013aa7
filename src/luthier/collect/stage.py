"""Files in, CorpusDir out: every file and every row accounted for."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import orjson

from luthier.artifacts.documents import DocumentWriter
from luthier.artifacts.folders import CorpusDir, building, find
from luthier.artifacts.manifest import NOTES
from luthier.artifacts.rows import write_examples
from luthier.collect.config import (
    CollectConfig,
    check_urls,
    corpus_key,
    draw_files,
    find_sources,
    hash_files,
    inputs_of,
    key_settings,
)
from luthier.collect.confine import Workers, modules_for
from luthier.collect.corpus import Collector, Corpus
from luthier.collect.crawl import Crawler
from luthier.collect.formats.detect import Hints, check_names, names_from
from luthier.collect.intake import FETCHED, Item, fetched_items, items_of
from luthier.collect.ledger import SHOWN, Refused, write_files
from luthier.errors import UserError
from luthier.records import Listener, Tick, nobody_listens

MOST_LOSSES = 0.2
"""Share of bytes that may be lost before the run stops."""


def collect(
    sources: Sequence[Path],
    *,
    config: CollectConfig,
    out: Path,
    listener: Listener = nobody_listens,
    crawler: Crawler | None = None,
    workers: Workers | None = None,
) -> CorpusDir:
    """Read files and folders into `out`; a folder there with the same key is returned as it is.

    Pages that the settings name are fetched by `crawler` (default: one that keeps to public addresses), and everything
    is read by `workers` (default: ones of its own, which end with it).

    Raises UserError if there is nothing to read, a table's columns fit no format, a file has no good row, or more
    rows or bytes are bad than `config` accepts; NotFoundError if a source is missing.
    """
    check_urls(config)
    found = find_sources(sources, config=config)
    hashes = hash_files(found)
    found = draw_files(found, hashes, seed=config.seed)
    inputs = inputs_of(found, hashes)
    key = corpus_key(inputs, config=config)
    ready = find(out, CorpusDir, key=key)
    if ready is not None:
        assert isinstance(ready, CorpusDir)
        return ready
    if not config.urls and not any(entry.skipped is None for entry in found):
        raise UserError(_explain_nothing(sources, [f"{entry.name} ({entry.skipped})" for entry in found]))
    with building(out, CorpusDir, key=key, settings=key_settings(config), inputs=inputs) as draft:
        items = [items_of(found, hashes)]
        if config.urls:
            items.append(fetched_items(crawler or Crawler(), config.pages, config.sitemap, folder=draft.path / FETCHED))
        files = [*(entry.name for entry in found), *config.pages]
        with ExitStack() as own:
            readers = workers or own.enter_context(Workers(warm=modules_for(files), scratch=draft.path))
            corpus = _read(
                chain(*items), readers, config=config, folder=draft.path, total=len(files), listener=listener
            )
        check_corpus(corpus, bad_rows=config.bad_rows, accept_losses=config.accept_losses)
        draft.counts.update(corpus.counts())
        draft.facts["tables"] = {
            name: {"format": fit.format.name, "columns": dict(fit.roles)} for name, fit in corpus.fits.items()
        }
        write_files(draft.path / "files.parquet", corpus.entries)
        _write_notes(draft.path / NOTES, corpus)
    return CorpusDir.open(out)


def _read(
    items: Iterable[Item], workers: Workers, *, config: CollectConfig, folder: Path, total: int, listener: Listener
) -> Corpus:
    """Read everything into examples.parquet and documents.parquet; what is refused is in the account."""
    with (
        DocumentWriter(folder / "documents.parquet") as documents,
        Refused(folder / "rejects.parquet") as refused,
    ):
        names = names_from(config.columns)
        hints = Hints(names=names, format=config.format, labels=frozenset(config.labels))
        collector = Collector(workers, hints=hints, seed=config.seed, keep=documents.write, refused=refused)
        told = _told(items, total=total, listener=listener)
        write_examples(folder / "examples.parquet", collector.examples(told))
    if collector.corpus.columns:
        check_names(names, list(collector.corpus.columns))
    listener(Tick("collect", done=total, total=total))
    return collector.corpus


def _told(items: Iterable[Item], *, total: int, listener: Listener) -> Iterator[Item]:
    for done, item in enumerate(items):
        with ExitStack() as unless_told:
            unless_told.callback(item.close)  # a listener may stop the run
            listener(Tick("collect", done=done, total=total, note=item.name))
            unless_told.pop_all()
        yield item


def _write_notes(folder: Path, corpus: Corpus) -> None:
    folder.mkdir()
    notes = {"seconds": corpus.seconds, "confinement lacks": sorted(corpus.missing_walls)}
    (folder / "collect.json").write_bytes(orjson.dumps(notes, option=orjson.OPT_INDENT_2))


def check_corpus(corpus: Corpus, *, bad_rows: float, accept_losses: bool) -> None:
    """Raise UserError if too little of what lies in the sources could be used."""
    barren = [entry.path for entry in corpus.entries if entry.rows and entry.rows == entry.rejects]
    if barren:
        raise UserError(f"{barren[0]}: no good row.\n{corpus.refused.listed()}\nMend the file or take it out.")
    rows = sum(entry.rows for entry in corpus.entries)
    if rows and corpus.refused.count / rows > bad_rows:
        share = corpus.refused.count / rows
        raise UserError(
            f"{corpus.refused.count:,} of {rows:,} rows are bad ({share:.1%}; accepted are {bad_rows:.1%}).\n"
            f"{corpus.refused.listed()}\n"
            f"Mend the rows, or accept them with collect.bad_rows: {_rounded_up(share)}"
        )
    if corpus.bytes_lost > MOST_LOSSES * corpus.bytes_counted and not accept_losses:
        raise UserError(
            f"{corpus.bytes_lost:,} of {corpus.bytes_counted:,} bytes could not be read.\n{_list_lost(corpus)}\n"
            f"Mend the files or take them out, or go on without them with collect.accept_losses: true"
        )
    if not corpus.kinds.total() and not corpus.documents:
        raise UserError(f"not one example was found.\n{_list_lost(corpus, also_empty=True)}\nAdd a file with rows.")


def _explain_nothing(sources: Sequence[Path], skipped: list[str]) -> str:
    where = ", ".join(map(str, sources))
    seen = f" Skipped: {', '.join(skipped[:SHOWN])}." if skipped else ""
    return f"{where}: no files to read.{seen} Put your data there or change collect.sources."


def _list_lost(corpus: Corpus, *, also_empty: bool = False) -> str:
    entries = [entry for entry in corpus.entries if entry.is_lost or (also_empty and entry.outcome == "empty")]
    lines = [f"  {entry.path}: {entry.outcome}: {entry.reason}" for entry in entries[:SHOWN]]
    return "\n".join([*lines, *([f"  ... and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else [])])


def _rounded_up(share: float) -> str:
    return f"{min(1.0, share * 1.05 + 0.0005):.3f}".rstrip("0").rstrip(".")
