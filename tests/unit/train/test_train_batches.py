"""Which rows are learnt when, and how fast."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.train.batches import micro_batches, plan_steps
from luthier.train.schedule import rate_factor
from luthier.train.validation import validation_steps

row_lengths = st.lists(st.integers(1, 50), min_size=1, max_size=40)
seeds = st.integers(0, 2**32)


@given(lengths=row_lengths, epochs=st.integers(1, 4), batch=st.integers(1, 200), seed=seeds)
def test_every_epoch_learns_every_row_once(lengths: list[int], epochs: int, batch: int, seed: int) -> None:
    steps = plan_steps(lengths, epochs=epochs, batch_tokens=batch, seed=seed)
    assert [step.index for step in steps] == list(range(1, len(steps) + 1))
    order = [row for step in steps for row in step.rows]
    for epoch in range(epochs):
        assert sorted(order[epoch * len(lengths) : (epoch + 1) * len(lengths)]) == list(range(len(lengths)))
    for step in steps:
        assert len(step.rows) == 1 or sum(lengths[row] for row in step.rows) <= batch
    assert steps[-1].epoch == pytest.approx(epochs)


@given(lengths=row_lengths, epochs=st.floats(0.01, 3), seed=seeds)
def test_a_part_of_an_epoch_is_the_beginning_of_a_whole_one(lengths: list[int], epochs: float, seed: int) -> None:
    whole = [row for step in plan_steps(lengths, epochs=4, batch_tokens=60, seed=seed) for row in step.rows]
    part = plan_steps(lengths, epochs=epochs, batch_tokens=60, seed=seed)
    rows = [row for step in part for row in step.rows]
    assert rows == whole[: len(rows)]
    assert len(rows) == max(1, round(epochs * len(lengths)))
    assert part[-1].epoch == pytest.approx(len(rows) / len(lengths))


@given(lengths=row_lengths, epochs=st.floats(0.01, 3), batch=st.integers(1, 200), seed=seeds)
def test_steps_are_filled_row_by_row(lengths: list[int], epochs: float, batch: int, seed: int) -> None:
    """The plan is what adding one row after another gives, and a step can be asked for without those before it."""
    steps = plan_steps(lengths, epochs=epochs, batch_tokens=batch, seed=seed)
    wanted, done, expected = max(1, round(epochs * len(lengths))), 0, []
    for epoch in range(math.ceil(wanted / len(lengths))):
        piece: list[int] = []
        for row in np.random.Generator(np.random.PCG64([seed, epoch])).permutation(len(lengths))[: wanted - done]:
            if piece and sum(lengths[each] for each in piece) + lengths[row] > batch:
                expected.append(tuple(piece))
                piece = []
            piece.append(int(row))
            done += 1
        expected.append(tuple(piece))
    assert [step.rows for step in steps] == expected
    assert [steps[place].rows for place in reversed(range(len(steps)))] == expected[::-1]
    assert [step.rows for step in steps[1:3]] == expected[1:3]


def test_a_plan_of_a_million_rows_takes_a_few_bytes_a_row() -> None:
    lengths = np.random.default_rng(0).integers(50, 500, size=1_000_000)
    tracemalloc.start()
    steps = plan_steps(lengths, epochs=1.5, batch_tokens=8192, seed=0)
    marks = validation_steps(steps)
    last = steps[len(steps) - 1]
    held, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert last.epoch == 1.5
    assert len(marks) == 20
    assert held < 12 << 20


@given(lengths=st.lists(st.integers(1, 50), min_size=12, max_size=40), seed=seeds)
def test_the_plan_is_a_function_of_the_seed(lengths: list[int], seed: int) -> None:
    one, two, other = (plan_steps(lengths, epochs=2, batch_tokens=60, seed=each) for each in (seed, seed, seed + 1))
    assert list(one) == list(two)
    assert [step.rows for step in one] != [step.rows for step in other]
    epochs = [row for step in one for row in step.rows]
    assert epochs[: len(lengths)] != epochs[len(lengths) :]


@given(lengths=row_lengths, tokens=st.integers(1, 200))
def test_micro_batches_hold_every_row_once_and_keep_the_limit(lengths: list[int], tokens: int) -> None:
    rows = list(range(0, len(lengths), 2))
    pieces = micro_batches(rows, lengths, tokens=tokens)
    assert sorted(row for piece in pieces for row in piece) == rows
    for piece in pieces:
        assert len(piece) == 1 or len(piece) * max(lengths[row] for row in piece) <= tokens


@given(lengths=row_lengths, epochs=st.floats(0.1, 5), per_epoch=st.integers(1, 6))
def test_validation_comes_once_in_every_quarter_and_at_the_end(
    lengths: list[int], epochs: float, per_epoch: int
) -> None:
    steps = plan_steps(lengths, epochs=epochs, batch_tokens=60, seed=0)
    marks = validation_steps(steps, per_epoch=per_epoch, least=1)
    assert len(steps) in marks
    for quarter in range(1, int(steps[-1].epoch * per_epoch + 1e-9) + 1):
        first = next(step.index for step in steps if step.epoch * per_epoch >= quarter - 1e-9)
        assert first in marks
    assert len(marks) <= int(steps[-1].epoch * per_epoch + 1e-9) + 1


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.5))
def test_the_rate_rises_then_falls_and_is_never_nothing(steps: int, warmup: float) -> None:
    factors = [rate_factor(step, steps=steps, warmup=warmup) for step in range(1, steps + 1)]
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[top] == 1
    assert top + 1 == max(1, round(warmup * steps))
    if steps > 20:
        assert factors[-1] < 0.1
