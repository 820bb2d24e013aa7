"""Rows as a tree: the same states, logits and gradients as each row alone, and nothing computed twice."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models_forward import PACKABLE, alone, gradients, through
from tiny_models import SETTINGS, WINDOW, distance, random_rows, tiny_model
from torch import Tensor

from luthier.models import tree
from luthier.models.forward import ROUND, choose_forward, packed_states
from luthier.models.tree import Tree, choose_tree, grow_tree, tree_states

Rows = list[tuple[int, ...]]
few_tokens = st.lists(st.integers(3, 6), max_size=WINDOW)
"""From a small alphabet, so that rows also begin alike by chance."""


@pytest.fixture(autouse=True)
def branches_everywhere() -> Iterator[None]:
    """Let two tokens in common be enough for a branch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "LEAST", 2)
        yield


@st.composite
def forests(draw: st.DrawFn) -> Rows:
    """Rows that go on from anywhere in an earlier row, from its end, or with nothing new."""
    rows: Rows = [(5, *draw(few_tokens), *draw(few_tokens))]
    for _ in range(draw(st.integers(0, 6))):
        stem = draw(st.sampled_from(rows))
        rows.append((*stem[: draw(st.integers(1, len(stem)))], *draw(few_tokens)))
    return draw(st.permutations(rows))


@pytest.mark.parametrize("kind", PACKABLE)
@settings(deadline=None, max_examples=8)
@given(rows=forests())
def test_a_tree_gives_what_each_row_gives_alone(kind: str, rows: Rows) -> None:
    model = tiny_model(kind)
    expected = alone(model, rows)
    found = through(tree_states, model, rows)
    assert distance(found, expected) <= 1e-5
    assert distance(gradients(model, found), gradients(model, expected)) <= 1e-5


def runs_and_stems(grown: Tree) -> list[tuple[Tensor, Tensor]]:
    """Tokens of every run, and of what it goes on from, in order."""
    layout, found, start = grown.branching.layout, [], 0
    filled = torch.ones(len(layout.gather), dtype=torch.bool)
    if layout.padded is not None:
        filled[layout.padded] = False
    for bucket in layout.buckets:
        stem = [torch.arange(part.start, part.stop) for part in grown.branching.stems[bucket.kind]]
        for _ in range(bucket.rows):
            cells = slice(start, start + bucket.length)
            found.append((layout.gather[cells][filled[cells]], torch.cat(stem) if stem else torch.arange(0)))
            start = cells.stop
    return found


@settings(deadline=None)
@given(rows=forests(), least=st.integers(1, 5))
def test_a_tree_holds_every_path_and_no_more(rows: Rows, least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "LEAST", least)
        grown = grow_tree(rows)
    size = len(grown.ids)
    paths = grown.places.split([len(row) for row in rows])
    assert [tuple(grown.ids[path].tolist()) for path in paths] == rows
    seen = torch.zeros(size, size, dtype=torch.int64)
    for run, stem in runs_and_stems(grown):
        seen[run[:, None], stem] += 1
        seen[run[:, None], run] += torch.ones(len(run), len(run), dtype=torch.int64).tril()
    for path in paths:
        assert grown.positions[path].tolist() == list(range(len(path)))
        for place, token in enumerate(path.tolist()):
            assert seen[token].nonzero()[:, 0].tolist() == sorted(path[: place + 1].tolist())
    assert seen.max() == 1
    assert size % ROUND == 0
    if least == 1:
        prefixes = {row[:end] for row in rows for end in range(1, len(row) + 1)}
        assert len(set(grown.places.tolist())) == len(prefixes)


def test_what_rows_begin_with_is_computed_once() -> None:
    passage, questions = random_rows([600])[0], random_rows([50, 60, 70, 60], seed=1)
    grown = grow_tree([passage + question for question in questions])
    assert grown.places.unique().numel() == 600 + sum(map(len, questions))
    stems = [len(stem) for _, stem in runs_and_stems(grown)]
    assert sorted(stems) == [0, 0, 600, 600, 600]  # the first row, the filler, and three more questions
    assert grown.branching.layout.buckets[-1].kind == 1


def test_a_few_tokens_in_common_are_not_worth_a_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "LEAST", 16)
    passage, questions = random_rows([40])[0], random_rows([9, 9, 9], seed=1)
    rows = [(*passage, 7, 7, 7, *question) for question in questions[:2]] + [(*passage, *questions[2])]
    grown = grow_tree(rows)
    assert grown.places.unique().numel() == 40 + 12 + 12 + 9
    assert sorted(len(stem) for _, stem in runs_and_stems(grown)) == [0, 0, 40, 40]


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_tree_is_taken_only_where_it_is_right(kind: str) -> None:
    model, sample = tiny_model(kind), random_rows([3, 5, 2, 4])
    forward, _ = choose_forward(model, sample)
    refusal = choose_tree(model, sample, forward=forward)
    assert (refusal is None) == (forward is packed_states), refusal
    assert model.training is False


def test_the_same_rows_give_the_same_bits() -> None:
    model, rows = tiny_model("llama"), [(5, 6, 7, *row) for row in random_rows([30, 41, 9, 30])]
    once, again = (gradients(model, through(tree_states, model, rows)) for _ in range(2))
    assert torch.equal(once, again)
