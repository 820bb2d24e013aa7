"""Files on their way through the workers: several at a time, in the order they were found, archives opened."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from luthier.collect.config import UNREADABLE
from luthier.collect.confine import Job, Reply, Workers, open_file
from luthier.collect.crawl import Crawler
from luthier.collect.kinds import CONTAINERS
from luthier.collect.ledger import Outcome
from luthier.collect.sampling import Sample
from luthier.collect.session import Budget, Unpacked
from luthier.collect.walk import Found, without_controls

FETCHED = "fetched"
"""Folder of the corpus that keeps the bytes of pages from the web."""
MOST_ARCHIVES = 2
MOST_LEVELS = 5
"""Archives within archives, and archives and mails within each other."""
MOST_NAME = 1_000
"""Characters of a member's name that are shown."""


@dataclass(slots=True)
class Item:
    """One file: in a folder, in an archive, or attached to a mail."""

    name: str
    sha256: str
    size: int = 0
    file: BinaryIO | None = None
    sample: Sample | None = None
    archives: int = 0
    within: tuple[str, ...] = ()
    """SHA-256 of the archives and mails that it lies in."""
    budget: Budget | None = None
    """What the outermost archive that it lies in may still unpack to."""
    settled: tuple[Outcome, str] | None = None
    """Outcome and reason of a file that no worker need see."""
    copy_of: str | None = None
    future: Future[Reply] | None = field(default=None, repr=False)

    @property
    def too_deep(self) -> str:
        """Why it is not opened if it is an archive; empty if it is."""
        if len(self.within) >= MOST_LEVELS:
            return f"files in files are opened {MOST_LEVELS} deep"
        return f"archives in archives are opened {MOST_ARCHIVES} deep" if self.archives >= MOST_ARCHIVES else ""

    def job(self, *, as_document: bool = False) -> Job:
        """What a worker is asked for."""
        assert self.file is not None
        return Job(
            self.file,
            self.name,
            self.size,
            as_document=as_document,
            unpack=not self.too_deep,
            attachments=len(self.within) < MOST_LEVELS,
        )

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()

    def abandon(self) -> None:
        """Let go of the file, and of its reply when that comes."""
        if self.future is None:
            self.close()
        else:
            self.future.cancel()
            self.future.add_done_callback(self._drop)

    def _drop(self, future: Future[Reply]) -> None:
        self.close()
        if not future.cancelled() and future.exception() is None:
            future.result().close()


class Intake:
    """Hands files to the workers and their replies back, in order; of equal files that can be read, the first is."""

    def __init__(self, workers: Workers, *, job_of: Callable[[Item], Job] = Item.job) -> None:
        """`job_of` says what the workers are asked for."""
        self._workers = workers
        self._job_of = job_of
        # Two files per worker: the next one waits while this one is read.
        self._ahead = 2 * workers.count
        self._first: dict[str, str] = {}

    def keep(self, item: Item) -> None:
        """What has the same bytes as this file, and comes behind it, is a copy."""
        self._first.setdefault(item.sha256, item.name)

    def replies(self, items: Iterable[Item]) -> Iterator[tuple[Item, Reply | None]]:
        """Each item with its reply, in order; None for one that is settled or a copy."""
        pending: deque[Item] = deque()
        try:
            for item in items:
                self._submit(item, pending)
                pending.append(item)
                if len(pending) > self._ahead:
                    yield self._take(pending)
            while pending:
                yield self._take(pending)
        finally:
            for item in pending:
                item.abandon()

    def members(self, item: Item, reply: Reply) -> Iterator[Item]:
        """The members of an archive, or attachments of a mail, as items."""
        budget = item.budget or Budget(packed=item.size)
        is_archive = reply.identity.type in CONTAINERS
        within = (*item.within, item.sha256)
        names: set[str] = set()
        for member in reply.members(budget):
            yield Item(
                name=f"{item.name}!/{_name_apart(member.name, names)}",
                sha256=member.sha256,
                size=member.size,
                file=member.file,
                archives=item.archives + is_archive,
                within=within,
                budget=budget,
                settled=_settle_member(member, within),
            )

    def _submit(self, item: Item, ahead: Iterable[Item]) -> None:
        """Let a file be read, unless one before it most likely makes it a copy."""
        alike = item.sha256 in self._first or any(other.sha256 == item.sha256 for other in ahead)
        if item.settled is None and not alike:
            item.future = self._workers.submit(self._job_of(item))

    def _take(self, pending: deque[Item]) -> tuple[Item, Reply | None]:
        """The next item with its reply; while it is waited for it stays pending, so that it is not forgotten.

        What is a copy is decided here, in the order of the files: however far ahead the workers are, it is the same.
        """
        item = pending[0]
        item.copy_of = self._first.get(item.sha256) if item.settled is None else None
        if item.copy_of is not None:
            return self._without_reply(pending.popleft()), None
        if item.settled is None and item.future is None:
            item.future = self._workers.submit(self._job_of(item))
        reply = item.future.result() if item.future is not None else None
        return pending.popleft(), reply

    def _without_reply(self, item: Item) -> Item:
        """A copy whose reading began before the first of its kind was met."""
        if item.future is not None:
            item.future.result().close()
            item.future = None
        return item


def items_of(found: Sequence[Found], hashes: Mapping[str, str]) -> Iterator[Item]:
    """Open each file as it is asked for."""
    for entry in found:
        item = Item(name=entry.name, sha256=hashes[entry.name], sample=entry.sample)
        if entry.skipped is not None:
            item.sha256, item.settled = "", ("failed" if entry.is_refused else "skipped", entry.skipped)
        else:
            _open(item, entry)
        yield item


def fetched_items(crawler: Crawler, urls: Sequence[str], sitemap: str | None, *, folder: Path) -> Iterator[Item]:
    """Fetch each page as it is asked for; what came is kept in `folder` under its hash."""
    listed = crawler.sitemap(sitemap) if sitemap is not None else []
    for page in crawler.pages(list(dict.fromkeys([*urls, *listed]))):
        digest = hashlib.sha256(page.content).hexdigest()
        item = Item(name=page.url, sha256=digest, size=len(page.content))
        if page.problem:
            item.sha256, item.settled = "", ("failed", page.problem)
        elif not page.content:
            item.settled = ("empty", "no bytes")
        else:
            folder.mkdir(exist_ok=True)
            (folder / digest).write_bytes(page.content)
            item.file = open_file(folder / digest)
        yield item


def _open(item: Item, entry: Found) -> None:
    try:
        item.size = entry.path.stat().st_size
        item.file = open_file(entry.path)
    except OSError as error:
        item.settled = ("failed", f"cannot be opened ({error.strerror})")
        return
    if item.size == 0:
        item.settled = ("empty", "no bytes")
    elif item.sha256 == UNREADABLE:
        item.settled = ("failed", "cannot be read")


def _settle_member(member: Unpacked, within: Sequence[str]) -> tuple[Outcome, str] | None:
    if member.problem:
        return "failed", member.problem
    if member.sha256 in within:
        return "failed", "the very archive that it lies in, which would unpack without end"
    parts = PurePosixPath(member.name).parts
    if any(part.startswith((".", "~$")) or part == "__MACOSX" for part in parts):
        return "skipped", "hidden"
    return ("empty", "no bytes") if not member.size else None


def _name_apart(member: str, taken: set[str]) -> str:
    """The name to show, with its number in brackets if a file of the same archive has it already."""
    wanted = without_controls(member[:MOST_NAME]).replace("!/", "!//")
    folder, slash, base = wanted.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    name, repeat = wanted, 2
    while name in taken:
        name = f"{folder}{slash}{stem} ({repeat}){dot}{suffix}" if stem else f"{wanted} ({repeat})"
        repeat += 1
    taken.add(name)
    return name
