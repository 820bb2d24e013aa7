"""Rows that begin alike: found, kept together, cut into trees, and learnt from as if each stood alone."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_learner import make_learner, step_gradient
from test_train_resume import BrokenError, breaking
from trainings import Training, content, make_rows

from luthier.artifacts.worded import table_of
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.models.chat import load_wording
from luthier.models.tree import LEAST, grow_tree, tree_states
from luthier.records import Worded
from luthier.train.batches import StepPlan, plan_steps
from luthier.train.estimate import heaviest_tree
from luthier.train.learner import Learner
from luthier.train.losses.chat import ChatLoss
from luthier.train.prefixes import (
    STRETCH,
    Beginnings,
    Bundles,
    choose_sharing,
    cut_by_tree,
    groves,
    keep_siblings,
    line_up,
    plan_sharing,
)

stems = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 5), st.integers(1, 30)), min_size=1, max_size=6)
"""Length of a beginning, rows that have it, and what else each of them has."""


def worded(ids: Sequence[int], place: int = 0) -> Worded:
    trained = (False, *(True,) * (len(ids) - 1))
    return Worded(f"{place:016x}", f"g{place}", f"a.csv:{place}", tuple(ids), trained, (), 1)


def families_of(shapes: Sequence[tuple[int, int, int]], *, seed: int = 0, header: int = 0) -> list[Worded]:
    """Rows in random order: for each shape, some that begin alike and go on differently."""
    dice = np.random.default_rng(seed)
    head = dice.integers(3, 9**9, header)
    made = []
    for begun, count, rest in shapes:
        stem = dice.integers(3, 9**9, begun)
        made += [[*head, *stem, *dice.integers(3, 9**9, rest)] for _ in range(count)]
    return [worded([int(token) for token in made[old]], new) for new, old in enumerate(dice.permutation(len(made)))]


def bundled(rows: list[Worded], *, step_tokens: int) -> Bundles:
    table, beginnings = table_of(rows), Beginnings()
    beginnings.note(table)
    families = beginnings.families(table.ids.lengths, step_tokens=step_tokens)
    return keep_siblings(rows, table.ids.lengths, families, step_tokens=step_tokens)


@settings(deadline=None)
@given(shapes=stems, seed=st.integers(0, 99), step_tokens=st.integers(50, 400))
def test_siblings_that_are_lined_up_unread_stay_together_and_fit_as_well(
    shapes: list[tuple[int, int, int]], seed: int, step_tokens: int
) -> None:
    table, beginnings = table_of(families_of(shapes, seed=seed)), Beginnings()
    beginnings.note(table)
    families = beginnings.families(table.ids.lengths, step_tokens=step_tokens)
    bundles = line_up(table.ids.lengths, families, step_tokens=step_tokens)
    members = [bundles.members.of(place).tolist() for place in range(len(bundles.sizes))]
    assert sorted(row for rows in members for row in rows) == list(range(len(table)))
    assert [rows[0] for rows in members] == sorted(rows[0] for rows in members)
    assert all(rows == sorted(rows) for rows in members)
    several = [rows for rows in members if len(rows) > 1]
    assert all(len({*families[rows].tolist()} - {-1}) == 1 for rows in several)
    assert bundles.sizes.tolist() == [sum(len(table[row].ids) for row in rows) for rows in members]
    lengths = [sizes.tolist() for sizes in (table.ids.lengths[rows] for rows in several)]
    assert all(sum(sizes) < 2 * step_tokens + max(sizes) for sizes in lengths)


def tree_size(rows: Sequence[Worded]) -> int:
    return grow_tree([row.ids for row in rows]).places.unique().numel()


@settings(deadline=None)
@given(shapes=stems, seed=st.integers(0, 99), step_tokens=st.integers(50, 400))
def test_bundles_hold_every_row_once_and_fit_into_a_step(
    shapes: list[tuple[int, int, int]], seed: int, step_tokens: int
) -> None:
    rows = families_of(shapes, seed=seed)
    bundles = bundled(rows, step_tokens=step_tokens)
    sizes, members = bundles.sizes, bundles.members
    assert sorted(members.values.tolist()) == list(range(len(rows)))
    first = members.values[members.starts[:-1]]
    assert first.tolist() == sorted(first.tolist())
    for place, size in enumerate(sizes.tolist()):
        held = [rows[row] for row in members.of(place)]
        assert len(held) == 1 or size <= STRETCH * step_tokens
        assert abs(size - tree_size(held)) <= LEAST * len(held)
        assert size <= sum(len(row.ids) for row in held)


def test_siblings_stay_together_and_others_do_not() -> None:
    rows = families_of([(600, 8, 50)] * 6 + [(0, 1, 300)] * 10, header=40)
    bundles = bundled(rows, step_tokens=1024)
    held = [[rows[row].ids[:640] for row in bundles.members.of(place)] for place in range(len(bundles.sizes))]
    assert sorted(map(len, held)) == [1] * 10 + [8] * 6
    assert all(len(set(each)) == 1 for each in held)
    assert sorted(bundles.sizes.tolist()) == [340] * 10 + [640 + 8 * 50] * 6


def test_a_header_that_all_rows_have_changes_no_step() -> None:
    rows = families_of([(0, 1, size) for size in range(20, 60)], header=64)
    lengths = table_of(rows).ids.lengths
    bundles = bundled(rows, step_tokens=512)
    assert bundles.sizes.tolist() == bundles.counted.tolist() == lengths.tolist()
    usual = plan_steps(lengths, epochs=2.0, batch_tokens=512, seed=3)
    steps = plan_steps(bundles.sizes, epochs=2.0, batch_tokens=512, seed=3, members=bundles.members)
    assert list(steps) == list(usual)


def test_rows_that_hardly_begin_more_alike_than_all_do_change_no_step() -> None:
    rows = families_of([(3, 10, 15)] * 40, header=30)
    sizes = bundled(rows, step_tokens=1024).sizes
    assert sizes.tolist() == table_of(rows).ids.lengths.tolist()


def test_a_large_family_is_dealt_out_in_pieces_that_hold_its_own_families() -> None:
    system = families_of([(300, 1, 1)])[0].ids
    dice = np.random.default_rng(1)
    rows, passages = [], []
    for place in range(40):
        passages.append([int(token) for token in dice.integers(3, 9**9, 100)])
        rows += [worded([*system, *passages[-1], 7 + asked, place + 3], place * 4 + asked) for asked in range(4)]
    rows += families_of([(0, 1, 60)] * 600)
    bundles = bundled(rows, step_tokens=512)
    together = [members for place in range(len(bundles.sizes)) if len(members := bundles.members.of(place)) > 1]
    assert sum(len(members) for members in together) == 160
    assert sum(len({row // 4 for row in members.tolist()}) for members in together) <= 40 + len(together)


@settings(deadline=None)
@given(shapes=stems, seed=st.integers(0, 99), tokens=st.integers(1, 400))
def test_groves_hold_every_row_once_and_keep_the_limit(
    shapes: list[tuple[int, int, int]], seed: int, tokens: int
) -> None:
    rows = families_of(shapes, seed=seed)
    held = {3 * place: row for place, row in enumerate(rows)}
    cut = groves(held, tokens=tokens)
    assert sorted(row for grove in cut for row in grove.rows) == list(held)
    for grove in cut:
        assert len(grove.rows) == 1 or sum(grove.added) <= tokens
        assert abs(sum(grove.added) - tree_size([held[row] for row in grove.rows])) <= LEAST * len(grove.rows)


def test_memory_is_foreseen_of_the_largest_tree() -> None:
    rows = families_of([(600, 8, 50)] * 6)
    table, beginnings = table_of(rows), Beginnings()
    beginnings.note(table)
    sharing = plan_sharing(rows, beginnings, lengths=table.ids.lengths, batch_tokens=2048, micro=[1024])
    piece = heaviest_tree(rows, sharing.bundles, batch=2048, tokens=1024)
    assert piece.tokens == 600 + 8 * 50
    assert len({rows[row].ids[:600] for row in piece.rows}) == 1
    assert piece.of == 2


def test_the_smallest_micro_batch_in_which_siblings_meet_is_taken() -> None:
    rows = families_of([(600, 8, 50)] * 6)
    table, beginnings = table_of(rows), Beginnings()
    beginnings.note(table)
    sharing = plan_sharing(rows, beginnings, lengths=table.ids.lengths, batch_tokens=1024, micro=[512, 1024, 2048])
    assert sharing.micro_batch_tokens == 1024
    assert sharing.saved == pytest.approx(1 - 1000 / (8 * 650))


def test_sharing_switches_itself_on_where_it_saves_a_tenth() -> None:
    def decide(asked: str, *, begun: int, refusal: str | None = None) -> tuple[bool, bool, str]:
        rows = families_of([(0, 1, 100)] * 40, header=begun)
        table, beginnings = table_of(rows), Beginnings()
        beginnings.note(table)
        plan = partial(plan_sharing, rows, beginnings, lengths=table.ids.lengths, batch_tokens=600, micro=[600])
        sharing, decision = choose_sharing(asked, refusal=refusal, plan=plan)
        return sharing is not None, decision.value, decision.reason

    on, value, reason = decide("auto", begun=40)
    assert (on, value) == (True, True)
    assert reason.startswith("21.4%")
    assert decide("auto", begun=0)[:2] == (False, False)
    assert decide("on", begun=0)[:2] == (True, True)
    assert decide("off", begun=40) == (False, False, "set in the project file")
    assert decide("auto", begun=40, refusal="no") == (False, False, "no")
    with pytest.raises(UserError, match=r"cannot be on: no\. Set it to auto"):
        decide("on", begun=40, refusal="no")


def test_many_short_branches_cost_more_than_they_save() -> None:
    rows = families_of([(33, 2, 20)] * 40)
    table, beginnings = table_of(rows), Beginnings()
    beginnings.note(table)
    sharing = plan_sharing(rows, beginnings, lengths=table.ids.lengths, batch_tokens=1024, micro=[1024])
    assert sharing.saved > 0.1
    assert sharing.gain < 0.1
    assert choose_sharing("auto", refusal=None, plan=lambda: sharing)[0] is None


def test_what_is_learnt_costs_the_head_whether_it_is_shared_or_not() -> None:
    rows = families_of([(600, 8, 50)] * 6)
    table, beginnings = table_of(rows), Beginnings()
    beginnings.note(table)
    plan = partial(plan_sharing, rows, beginnings, lengths=table.ids.lengths, batch_tokens=1024, micro=[1024])
    trained = 8 * 649 / (8 * 650)
    assert plan(head=1.0).gain == pytest.approx(plan().gain / (1 + trained))


def test_siblings_too_long_to_meet_by_chance_are_brought_together() -> None:
    bundles = bundled(families_of([(600, 8, 50)] * 2), step_tokens=1024)
    assert sorted(map(len, (bundles.members.of(place) for place in range(len(bundles.sizes))))) == [8, 8]


def sibling_rows(base: Base) -> list[Worded]:
    """Chat rows of which some go on from a long question, some repeat another, and some stand alone."""
    plain = make_rows(load_wording(base.folder), "chat", 12)
    long = [worded([*plain[0].ids, *row.ids], 20 + place) for place, row in enumerate(plain[1:6])]
    return [*plain, *long, worded([*long[0].ids, *plain[7].ids], 30), worded(long[1].ids, 31)]


def learner_on_trees(make_base: Callable[[str], Base], rows: list[Worded], *, tokens: int) -> Learner:
    learner = make_learner(make_base, "chat", rows)
    learner.loss, learner.cut = ChatLoss(tree_states), partial(cut_by_tree, tokens=tokens)
    return learner


def test_a_step_on_a_tree_has_the_loss_and_gradient_of_single_rows(make_base: Callable[[str], Base]) -> None:
    rows = sibling_rows(make_base("llama"))
    plan = StepPlan(1, 1.0, tuple(range(len(rows))))
    expected = step_gradient(make_learner(make_base, "chat", rows, micro_batch_tokens=1), plan)
    for tokens in (10_000, 200, 1):
        found = step_gradient(learner_on_trees(make_base, rows, tokens=tokens), plan)
        assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-5
    alone = make_learner(make_base, "chat", rows, micro_batch_tokens=1).score(rows)
    assert learner_on_trees(make_base, rows, tokens=200).score(rows) == pytest.approx(alone, rel=1e-5)


def test_a_broken_run_that_shares_ends_as_an_unbroken_one(
    make_training: Callable[..., Training], make_base: Callable[[str], Base]
) -> None:
    rows = sibling_rows(make_base("llama"))
    training = make_training("chat", rows={"train": rows}, share_prefixes="on", epochs=1.0)
    whole = training.run("whole")
    assert whole.manifest.facts["choices"]["share_prefixes"]["value"] is True
    steps = whole.manifest.counts["steps"]
    assert steps >= 4
    with pytest.raises(BrokenError):
        training.run("broken", listener=breaking(steps // 2 + 1))
    assert content(training.run("broken")) == content(whole)


@settings(deadline=None)
@given(shapes=stems, seed=st.integers(0, 99), tokens=st.integers(1, 400))
def test_texts_of_a_row_share_their_beginning_too(shapes: list[tuple[int, int, int]], seed: int, tokens: int) -> None:
    """Two texts a row: what both begin with counts once, and no tree of a micro-batch holds more than is allowed."""
    texts = families_of([(begun, 2 * count, rest) for begun, count, rest in shapes], seed=seed)
    texts.sort(key=lambda row: row.ids)
    pairs = [beside(one, other, place) for place, (one, other) in enumerate(zip(texts[::2], texts[1::2], strict=True))]
    held = dict(enumerate(pairs))
    cut = groves(held, tokens=tokens, apart=True)
    assert sorted(row for grove in cut for row in grove.rows) == list(held)
    for grove in cut:
        size = grow_tree([text for row in grove.rows for text in held[row].texts]).places.unique().numel()
        assert len(grove.rows) == 1 or sum(grove.added) <= tokens
        assert sum(grove.added) >= size - 2 * LEAST * len(grove.rows)
    beginnings = Beginnings(apart=True)
    beginnings.note(table_of(pairs))
    own = beginnings.own(table_of(pairs).ids.lengths)
    for pair, size in zip(pairs, own.tolist(), strict=True):
        assert size == grow_tree(pair.texts).places.unique().numel()


def beside(one: Worded, other: Worded, place: int) -> Worded:
    """A row of two texts."""
    ids = one.ids + other.ids
    return Worded(f"{place:016x}", "g", "a", ids, one.trained + other.trained, (), 1, (len(one.ids), len(ids)))
