import errno
import re

import pytest

from luthier.cli import screen
from luthier.cli.main import _words
from luthier.cli.screen import Screen
from luthier.errors import UserError
from luthier.records import Tick


def test_lines_come_at_most_every_ten_seconds_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(float(second) for second in range(1000))
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    with Screen() as shown:
        for done in range(26):
            shown.tick(Tick("train", done, 25, f"loss {done}"))
    lines = capsys.readouterr().err.splitlines()
    assert [re.match(r"train: (\d+)/25", line)[1] for line in lines] == ["10", "20", "25"]
    assert lines[0] == "train: 10/25  loss 10  ETA 0:15"
    assert "ETA" not in lines[-1]


def test_a_run_that_continues_counts_its_eta_from_where_it_began(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    with Screen() as shown:
        shown.tick(Tick("train", 90, 110))
        shown.tick(Tick("train", 100, 110))
    assert capsys.readouterr().err == "train: 100/110  ETA 0:10\n"


def test_sentences_are_shown_and_quiet_keeps_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, expected in ((False, "base: fetching\nprepare: runs\nwarning: few\n"), (True, "warning: few\n")):
        with Screen(quiet=quiet) as shown:
            shown.tick(Tick("base", 0, 0, "fetching"))
            shown.tell("prepare: runs")
            shown.tell("warning: few")
        assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "The disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (UserError("rows.csv:3: no answer"), "rows.csv:3: no answer"),
        (ValueError("two\nlines"), "ValueError: two lines. This is a mistake in Luthier; run again with -v"),
    ],
)
def test_errors_become_one_sentence(error: Exception, said: str) -> None:
    assert _words(error, verbose=False).startswith(said)
    assert "\n" not in _words(error, verbose=False)
