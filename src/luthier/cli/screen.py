"""Progress on stderr: bars on a terminal, a plain line every 10 seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from luthier.records import Tick

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY = 10.0
"""Seconds between plain lines."""


class Screen:
    """Shows ticks and sentences; silent if `quiet`, except for sentences that begin with 'warning'."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._first = (0.0, 0)
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away, so that results are printed on a clean line."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks = {}

    def tell(self, line: str) -> None:
        """Show one sentence."""
        if self._quiet and not line.startswith("warning"):
            return
        if self._bars is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def tick(self, tick: Tick) -> None:
        """Show progress; a tick without a total is a sentence."""
        if self._quiet:
            return
        if tick.total == 0 and tick.done == 0:
            if tick.note:
                self.tell(f"{tick.stage}: {tick.note}")
        elif sys.stderr.isatty():
            self._show_bar(tick)
        else:
            self._show_line(tick)

    def _show_bar(self, tick: Tick) -> None:
        if self._bars is None:
            self._bars = _new_bars()
            self._bars.start()
        if tick.stage not in self._tasks:
            self._tasks[tick.stage] = self._bars.add_task(tick.stage, total=None, note="")
        total = tick.total or None
        self._bars.update(self._tasks[tick.stage], completed=tick.done, total=total, note=tick.note)

    def _show_line(self, tick: Tick) -> None:
        now = time.monotonic()
        if tick.stage != self._stage or tick.done < self._first[1]:
            self._stage, self._first, self._shown = tick.stage, (now, tick.done), now
            return
        if now - self._shown < EVERY and not 0 < tick.total == tick.done:
            return
        self._shown = now
        print(_line(tick, eta=self._eta(tick, now)), file=sys.stderr, flush=True)

    def _eta(self, tick: Tick, now: float) -> float | None:
        began, done = self._first
        if tick.total == 0 or tick.done <= done:
            return None
        return (now - began) / (tick.done - done) * (tick.total - tick.done)


def _line(tick: Tick, *, eta: float | None) -> str:
    parts = [f"{tick.stage}: {tick.done:,}" + (f"/{tick.total:,}" if tick.total else "")]
    if tick.note:
        parts.append(tick.note)
    if eta is not None and tick.done < tick.total:
        parts.append(f"ETA {int(eta) // 60}:{int(eta) % 60:02d}")
    return "  ".join(parts)


def _new_bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )
