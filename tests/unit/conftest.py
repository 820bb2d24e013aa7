"""Small real things that several rooms' tests need."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_bases import write_base, write_tiny_tokenizer, write_word_pieces

from luthier.models.bases import Base, resolve_base

# A shell starts background jobs with SIGINT ignored; the tests send it to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tiny_tokenizer_folder(tmp_path: Path) -> Path:
    """A model folder without weights: tokenizer, template and generation config."""
    return write_tiny_tokenizer(tmp_path / "tiny-base")


SMALL_PROJECT = """\
name: small
objective: {objective}
base: {base}
collect:
  sources: [data]
prepare:
  instruction: Is it hot?
  split:
    group_by: topic
    validation: 0.2
    exam: 0.3
train:
  epochs: 1
  batch_tokens: 400
  dtype: float32
  replay: 0
  adapter: {{rank: 2}}
"""


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[[str], Base]:
    """Make a small base with random weights: `llama` or `bert`; `pieces` and `headless` are BERTs of word pieces."""

    def make(kind: str, name: str = "tiny-base") -> Base:
        write = write_word_pieces if kind in {"pieces", "headless"} else write_tiny_tokenizer
        write_base(write(tmp_path / name), kind=kind)
        return resolve_base(name, relative_to=tmp_path)

    return make


@pytest.fixture(params=["chat", "classify"])
def objective(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project_file(tmp_path: Path, tiny_tokenizer_folder: Path, objective: str) -> Path:
    """A project of 60 questions in 20 groups beside its base."""
    write_base(tiny_tokenizer_folder, kind={"chat": "llama", "classify": "bert"}[objective])
    data = tmp_path / "data"
    data.mkdir()
    lines = ["question,answer,topic"]
    for topic in range(20):
        lines += [f"thing {topic} {place},{'yes' if (topic + place) % 2 else 'no'},t{topic}" for place in range(3)]
    (data / "rows.csv").write_text("\n".join(lines) + "\n")
    file = tmp_path / "luthier.yaml"
    file.write_text(SMALL_PROJECT.format(objective=objective, base=tiny_tokenizer_folder.name))
    return file


_FINISHED: dict[str, Path] = {}
"""Objective -> a finished run folder, made once; equal input gives equal bytes, so a copy is as good as a run."""


@pytest.fixture
def finished_file(project_file: Path, objective: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with its run already done."""
    from luthier.pipeline.run import run

    runs = project_file.parent / "runs"
    if objective in _FINISHED:
        shutil.copytree(_FINISHED[objective], runs)
    else:
        run(project_file)
        _FINISHED[objective] = shutil.copytree(runs, tmp_path_factory.mktemp("finished") / "runs")
    return project_file
