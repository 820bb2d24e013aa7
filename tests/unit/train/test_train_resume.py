"""Stopping and going on changes nothing; signals stop in good order."""

import json
import signal
import threading
from collections.abc import Callable

import pytest
from trainings import Training, content

from luthier.errors import StoppedError
from luthier.records import Tick
from luthier.train.signals import listening

Making = Callable[..., Training]


class BrokenError(Exception):
    """Something that goes wrong in the middle."""


def breaking(at: int, number: int | None = None) -> Callable[[Tick], None]:
    """A listener that breaks a run at a step: by an error, or by a signal."""

    def listen(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == at:
            if number is None:
                raise BrokenError
            signal.raise_signal(number)

    return listen


@pytest.mark.parametrize("objective", ["chat", "classify", "embed"])
def test_a_broken_run_ends_as_an_unbroken_one_bit_for_bit(make_training: Making, objective: str) -> None:
    training = make_training(objective, batch_tokens=80 if objective == "classify" else 160)
    whole = training.run("whole")
    steps = whole.manifest.counts["steps"]
    assert steps >= 6
    assert whole.manifest.counts["skipped_steps"] == 0
    for at, number in [(1, None), (2, signal.SIGTERM), (steps // 2, None), (steps, signal.SIGINT)]:
        name = f"broken-{at}"
        with pytest.raises((BrokenError, StoppedError)):
            training.run(name, listener=breaking(at, number))
        saved = at if number is not None else at - 1
        assert training.newest(name).step == saved
        seen: list[Tick] = []
        again = training.run(name, listener=seen.append)
        assert [tick.done for tick in seen if tick.stage == "train" and tick.total] == list(
            range(at + (number is not None), steps + 1)
        )
        assert content(again) == content(whole)
        assert again.manifest.counts == whole.manifest.counts


def test_a_run_broken_at_every_step_still_arrives(make_training: Making) -> None:
    training = make_training("chat", epochs=0.7)
    whole = training.run("whole")
    for step in range(1, whole.manifest.counts["steps"] + 1):
        with pytest.raises(StoppedError):
            training.run("broken", listener=breaking(step, signal.SIGTERM))
    assert content(training.run("broken")) == content(whole)


def test_when_checkpoints_are_written_does_not_change_the_weights(make_training: Making) -> None:
    often, seldom = make_training("chat"), make_training("chat", checkpoint_minutes=60.0)
    assert content(often.run("often")) == content(seldom.run("seldom"))
    with pytest.raises(BrokenError):
        seldom.run("broken", listener=breaking(7))
    assert 0 < len(seldom.checkpoints("broken")) <= 5
    assert content(seldom.run("broken")) == content(often.run("often"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_writes_a_checkpoint_and_stops(make_training: Making, number: int, code: int) -> None:
    training = make_training("classify", checkpoint_minutes=60.0)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(StoppedError, match=r"after step 3 of .*Run the same command again") as stopped:
        training.run("run", listener=breaking(3, number))
    assert stopped.value.exit_code == code
    assert {each: signal.getsignal(each) for each in before} == before
    assert training.newest("run").step == 3
    assert not (training.home / "run" / "model").exists()
    index = training.scratch("run") / "checkpoints" / "index.jsonl"
    assert [json.loads(line)["step"] for line in index.read_text().splitlines()][-1] == 3


def interrupt_twice() -> None:
    with listening() as request:
        signal.raise_signal(signal.SIGINT)
        assert request.number == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_insists() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nobody_listens_and_nothing_breaks() -> None:
    found = []

    def work() -> None:
        with listening() as request:
            found.append(request.number)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]
    assert signal.getsignal(signal.SIGTERM) is before
