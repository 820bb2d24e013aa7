"""Run as a script: train on a small disk that fills up after step 4, then again with space. Prints what happened."""

import contextlib
import itertools
import sys
from pathlib import Path

from tiny_bases import write_base, write_tiny_tokenizer
from trainings import SMALL_REPLAY, Training, content, write_dataset

from luthier.errors import LuthierError
from luthier.models.bases import resolve_base
from luthier.records import Tick
from luthier.train import replay


def main(roomy: Path, disk: Path) -> None:
    for name, value in SMALL_REPLAY.items():
        setattr(replay, name, value)
    write_base(write_tiny_tokenizer(roomy / "base"), kind="llama")
    base = resolve_base("base", relative_to=roomy)
    dataset = write_dataset(roomy / "dataset", base, "chat")
    whole = Training(roomy, base, dataset, epochs=1.0).run("whole")
    training = Training(disk, base, dataset, epochs=1.0)
    ballast = disk / "ballast"

    def fill(tick: Tick) -> None:
        if tick.stage == "train" and tick.total and tick.done == 4:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
                stream.writelines(itertools.repeat(bytes(4096)))

    try:
        training.run("run", listener=fill)
    except LuthierError as error:
        print(str(error).replace("\n", " "))
    print("step", training.newest("run").step)
    print(training.checkpoints("run")[-1].name.replace("step-0000000", "step "))
    ballast.unlink()
    print("equal" if content(training.run("run")) == content(whole) else "different")


main(Path(sys.argv[1]), Path(sys.argv[2]))
