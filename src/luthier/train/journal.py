"""The curve while the run goes on: a line of JSON for every point, and whoever else wants to know."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from luthier.artifacts.storage import write_atomic
from luthier.records import Listener, Tick
from luthier.train.tracking import GRACE, Feed, Run

CURVE = "curve.jsonl"


class Journal:
    """Writes what can be read meanwhile. The curve that ships comes from the checkpoints, so nothing here is needed:
    what cannot be written is told once, and the run goes on.
    """

    def __init__(self, path: Path, *, trackers: Sequence[str], run: Run, listener: Listener) -> None:
        self.path = path
        self._trackers = trackers
        self._run = run
        self._feeds: list[Feed] = []
        self._listener = listener
        self._file: IO[bytes] | None = None

    @contextmanager
    def kept(self, curve: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Begin with the points that are known; end all trackers when the run ends, however it does."""
        try:
            # A new file: an earlier holder of the run that wakes still writes into the old one.
            write_atomic(self.path, curve_bytes(curve))
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            self._say(f"{self.path} cannot be written ({error.strerror})")
        self._feeds = [Feed(name, self._run) for name in self._trackers]
        try:
            yield
        finally:
            self._close()

    def add(self, point: Mapping[str, Any]) -> None:
        """Add a point, readable at once."""
        if self._file is not None:
            try:
                self._file.write(curve_bytes([point]))
            except OSError as error:
                self._say(f"{self.path} cannot be written any more ({error.strerror})")
                self._file.close()
                self._file = None
        for feed in self._feeds:
            feed.put(point)
        self._drop_troubled()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        for feed in self._feeds:
            feed.end()
        until = time.monotonic() + GRACE
        for feed in self._feeds:
            feed.wait(until)
        self._drop_troubled()
        self._feeds = []

    def _drop_troubled(self) -> None:
        for feed in [feed for feed in self._feeds if feed.trouble is not None]:
            self._say(f"tracker '{feed.name}' {feed.trouble}. It is left out from now on")
            self._feeds.remove(feed)
            feed.stop()

    def _say(self, note: str) -> None:
        self._listener(Tick("train", 0, 0, f"{note}; training goes on"))


def curve_bytes(curve: Sequence[Mapping[str, Any]]) -> bytes:
    """Points as lines of JSON."""
    return b"".join(orjson.dumps(point) + b"\n" for point in curve)
