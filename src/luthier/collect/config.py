"""Settings of the collect stage, and the key of what it would make."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.folders import CorpusDir, stage_key
from luthier.collect.sampling import rank, threshold
from luthier.collect.walk import Found, find_files
from luthier.config import Settings
from luthier.errors import UserError

VERSION = 5
UNREADABLE = "unreadable"
Format = Literal[
    "openai",
    "sharegpt",
    "alpaca",
    "prompt",
    "qa",
    "label",
    "texts",
    "tokens",
    "spans",
    "extraction",
    "preference",
    "rating",
    "graded",
    "pair",
    "scored",
    "text",
]


class CollectConfig(Settings):
    """What to read and how to understand it."""

    sources: list[str]
    """Files or folders, relative to the project file."""
    format: Format | Literal["auto"] = "auto"
    """What kind of rows the row files hold; `auto` looks at the columns and cells of each table."""
    columns: dict[str, list[str] | str] = Field(default_factory=dict)
    """Role -> column name or names, where they are not the usual ones; the first that a file has counts, in any case.
    Roles: question, context, answer, answers, system, messages, tools, text, second, label, entities, tokens, tags,
    prompt, completion, chosen, rejected, good, gold, graders, query, positive, negative, score. Any other role names a
    column that rides along, for `split.group_by` and slices: `code: [Code, ICD-10 code]`."""
    labels: list[str] = Field(default_factory=list)
    """The labels that texts and entities can have, so that a misspelt one is a bad row; empty: any label."""
    bad_rows: float = Field(default=0.01, ge=0, le=1)
    """Share of bad rows that is accepted, 0 to 1; above it the run stops."""
    accept_losses: bool = False
    """Go on although more than 20 % of the bytes could not be read."""
    urls: bool = False
    """Fetch `pages` and `sitemap` from the web. Without it nothing is ever fetched."""
    pages: list[str] = Field(default_factory=list)
    """Addresses of pages to fetch, http or https. What they held is kept in the corpus; a new run of the same settings
    does not ask again."""
    sitemap: str | None = None
    """Address of one host's sitemap; the pages of that host which it lists are fetched."""
    seed: int = Field(default=0, ge=0)
    """Draws the samples of sources like `path#500` and `path#5%`."""


def check_urls(config: CollectConfig) -> None:
    """UserError if pages are named and fetching is not allowed, or allowed and none are named."""
    named = bool(config.pages or config.sitemap)
    if named and not config.urls:
        raise UserError("collect.pages and collect.sitemap are fetched from the web: allow it with collect.urls: true")
    if config.urls and not named:
        raise UserError("collect.urls is true, but nothing is to be fetched. Name collect.pages or collect.sitemap.")


def find_sources(sources: Sequence[Path], *, config: CollectConfig) -> list[Found]:
    """The files of the sources; there need be none if pages are fetched."""
    return find_files(sources) if sources or not config.urls else []


def collect_key(sources: Sequence[Path], *, config: CollectConfig) -> str:
    """Key of the CorpusDir that these files and settings make: names and contents count, places do not."""
    found = find_sources(sources, config=config)
    hashes = hash_files(found)
    return corpus_key(inputs_of(draw_files(found, hashes, seed=config.seed), hashes), config=config)


def corpus_key(inputs: dict[str, str], *, config: CollectConfig) -> str:
    """Key for inputs that are already known."""
    return stage_key(CorpusDir.kind, version=VERSION, settings=key_settings(config), inputs=inputs)


def inputs_of(found: Sequence[Found], hashes: Mapping[str, str]) -> dict[str, str]:
    """Name -> SHA-256 and what part of the file is wanted; for what is skipped the reason."""
    return {
        entry.name: entry.skipped or f"{hashes[entry.name]}{f'#{entry.sample}' if entry.sample else ''}"
        for entry in found
    }


def draw_files(found: Sequence[Found], hashes: Mapping[str, str], *, seed: int) -> list[Found]:
    """Skip the files of sampled folders (`folder#500`) that are not drawn; copies of a drawn file are drawn too."""
    contents: dict[int, set[str]] = defaultdict(set)
    for entry in found:
        if entry.pool is not None and entry.skipped is None:
            contents[entry.source].add(hashes[entry.name])
    pools = {entry.source: entry.pool for entry in found if entry.pool is not None}
    ranks = {content: rank(content.encode("ascii"), seed=seed) for inside in contents.values() for content in inside}
    most = {source: threshold([ranks[one] for one in inside], pools[source]) for source, inside in contents.items()}
    return [
        replace(entry, skipped=f"not among the {entry.pool} of the files that were asked for")
        if entry.pool is not None and entry.skipped is None and ranks[hashes[entry.name]] > most[entry.source]
        else entry
        for entry in found
    ]


def key_settings(config: CollectConfig) -> dict[str, Any]:
    """The settings without the sources: what lies in them is in the inputs."""
    return config.model_dump(mode="json", exclude={"sources"})


def hash_files(found: Sequence[Found]) -> dict[str, str]:
    """Name -> SHA-256; for what is skipped the reason, for what cannot be opened `unreadable`."""
    return {entry.name: entry.skipped or _hash(entry.path) for entry in found}


def _hash(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError:
        return UNREADABLE
