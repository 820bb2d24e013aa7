"""A base and a way to prepare for the tests of prepare."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from prepare_corpora import write_corpus

from luthier.models.bases import Base
from luthier.objectives import objective
from luthier.prepare.config import PrepareConfig, SplitConfig, Target
from luthier.prepare.prepared import Prepared
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.stage import prepare
from luthier.records import Document, Example

Preparing = Callable[..., Prepared]


@pytest.fixture
def base(tiny_tokenizer_folder: Path) -> Base:
    return Base(
        name="tiny", folder=tiny_tokenizer_folder, digest="d" * 64, architecture="decoder", context=512, hub_name="tiny"
    )


@pytest.fixture
def preparing(tmp_path: Path, base: Base) -> Preparing:
    """Prepare examples in a fresh run folder; keywords of PrepareConfig and SplitConfig are sorted out."""

    def run(
        examples: Sequence[Example],
        *,
        run: str = "run",
        objective_name: str = "classify",
        documents: Sequence[Document] = (),
        **settings: object,
    ) -> Prepared:
        named = [name for name in settings if name in SplitConfig.model_fields and not isinstance(settings[name], dict)]
        split = {name: settings.pop(name) for name in named}
        config = PrepareConfig.model_validate({"split": {"group_by": "code[:4]", **split}, **settings})
        corpus = write_corpus(tmp_path / run / "corpus", examples, documents)
        goal = objective(objective_name)
        fitting = dataclasses.replace(base, architecture="encoder") if goal.head == "masked" else base
        target = Target(fitting, goal, PseudonymKey(b"k" * 32), tmp_path)
        return prepare(corpus, target=target, config=config, out=tmp_path / run)

    return run
