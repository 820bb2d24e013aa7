"""Rows that begin alike: found among all rows, kept together in steps and micro-batches, and what that saves."""

# N rows, L depths

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.worded import IntArray, Ragged, WordedTable
from luthier.config import Resolved
from luthier.errors import UserError
from luthier.models.tree import LEAST, common_length, grow_tree, tree_order
from luthier.records import Worded
from luthier.train.batches import plan_steps

DEPTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 4096)
"""Lengths of the beginnings by which siblings are found."""
WORTH = 0.25
"""Share of their tokens that siblings must save to stay together: less is not worth steps of similar rows."""
MEET = 4
"""Siblings in a step drawn at random from which on they need not be brought together."""
STRETCH = 2
"""A step may be this many times as long as asked for, if that keeps siblings together."""
LEAST_GAIN = 0.1
"""Share of all work from which sharing switches itself on."""
BRANCH = 24
"""Tokens whose work runs of like length that go on from the same stem cost: small products keep a processor waiting."""
LOSS = 1.05
"""Tokens computed that a smaller micro-batch may cost, as a factor."""
SAMPLE = 32
"""Steps on which the saving is measured."""
TOGETHER = 4096
"""Rows hashed at once."""
MANY = 50_000
"""Rows from which on siblings are brought together by their hashes alone: to read them all would take minutes."""
_ODD = np.uint32(0x9E3779B1)


class Grove(NamedTuple):
    """Rows computed as one tree, by number, and the tokens that each adds to it."""

    rows: list[int]
    added: list[int]


@dataclass(frozen=True, slots=True)
class Bundles:
    """What steps are made of: single rows, and siblings that stay together."""

    members: Ragged
    """Rows of each bundle, the bundles in the order of their first rows."""
    counted: IntArray
    """[N] tokens that each row adds to its bundle."""
    apart: bool = False
    """Whether the texts of a row are read one by one, and share what they begin with."""

    @property
    def sizes(self) -> IntArray:
        """Tokens of each bundle."""
        sizes: IntArray = np.add.reduceat(self.counted[self.members.values], self.members.starts[:-1])
        return sizes


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a run that shares beginnings deals out and computes at once, and what it saves."""

    bundles: Bundles
    micro_batch_tokens: int
    saved: float
    """Share of all tokens that is not computed again."""
    gain: float
    """Share of all work that this is, less what branches cost."""


class Beginnings:
    """Hashes of what each row begins with, taken as the rows are read: 48 bytes a row, 56 if its texts are `apart`."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart
        """Whether the texts of a row are read one by one."""
        self._marks = [np.zeros((0, len(DEPTHS)), dtype=np.uint32)]
        self._repeated = [np.zeros(0, dtype=np.int64)]

    def note(self, table: WordedTable) -> None:
        """Add some rows."""
        for first in range(0, len(table), TOGETHER):
            starts = table.ids.starts[first : first + TOGETHER + 1]
            self._marks.append(_hashes(table.ids.values[starts[0] : starts[-1]], starts - starts[0]))
        if self.apart:
            self._repeated.append(np.array([_repeated(row.texts) for row in table], dtype=np.int64))

    def own(self, lengths: IntArray) -> IntArray:
        """Tokens of each row, of these lengths, that are computed if its texts share what they begin with: [N]."""
        return lengths - np.concatenate(self._repeated) if self.apart else lengths

    def families(self, lengths: IntArray, *, step_tokens: int) -> IntArray:
        """The same number for siblings that are worth keeping together, -1 for every other row: [N].

        Siblings begin alike for longer than with rows that they meet by chance, by enough, and fit into one step or
        would not meet by chance.
        """
        marks, rows_a_step = np.concatenate(self._marks), step_tokens / lengths.mean()
        found, met = np.full(len(lengths), -1), np.zeros(len(lengths), dtype=np.int64)
        rows, above, used = np.arange(len(lengths)), np.zeros(len(lengths), dtype=np.uint64), 0
        for place, depth in enumerate(DEPTHS):
            deep = lengths[rows] >= depth
            rows, above = rows[deep], above[deep]
            key = (above << np.uint64(32)) | marks[rows, place]
            _, first, alike = np.unique(key, return_index=True, return_inverse=True)
            members, tokens = np.bincount(alike), np.bincount(alike, weights=lengths[rows])
            meets = members * rows_a_step >= MEET * len(lengths)
            fits = tokens - depth * (members - 1) <= step_tokens
            is_worth = (depth - met[rows[first]]) * (members - 1) >= WORTH * tokens
            chosen = ((fits | ~meets) & (members > 1) & is_worth)[alike]
            met[rows[meets[alike]]] = depth
            found[rows[chosen]] = used + alike[chosen]
            used += len(members)
            left = ~chosen & (members > 1)[alike]
            rows, above = rows[left], alike[left].astype(np.uint64)
        return found


def choose_sharing(
    asked: str, *, refusal: str | None, plan: Callable[[], Sharing]
) -> tuple[Sharing | None, Resolved[bool]]:
    """Whether to share beginnings, as `asked` for: on, off, or auto: where that saves more than 10 % of the work.

    UserError if it was asked for and cannot be: `refusal` says why.
    """
    if asked == "off":
        return None, Resolved(False, "set in the project file")
    if refusal is not None:
        if asked == "on":
            raise UserError(f"train.share_prefixes cannot be on: {refusal}. Set it to auto.")
        return None, Resolved(False, refusal)
    sharing = plan()
    found = f"{sharing.saved:.1%} of the tokens are beginnings that a row shares with others of its micro-batch"
    if asked == "on" or sharing.gain > LEAST_GAIN:
        return sharing, Resolved(True, found)
    return None, Resolved(
        False, f"{found}: that saves {max(0, sharing.gain):.1%} of the work, too little to be worth it"
    )


def plan_sharing(
    rows: Sequence[Worded],
    beginnings: Beginnings,
    *,
    lengths: IntArray,
    batch_tokens: int,
    micro: Sequence[int],
    head: float = 0.0,
) -> Sharing:
    """How beginnings would be shared, and how much that saves.

    Of the sizes `micro` of a micro-batch, smallest first, it takes the first that saves about as much as the last.
    Work is counted in tokens through the layers; a trained token costs the `head` besides, shared or not.
    """
    own, apart = beginnings.own(lengths), beginnings.apart
    families = beginnings.families(own, step_tokens=batch_tokens)
    if len(rows) > MANY:
        bundles = line_up(own, families, step_tokens=batch_tokens, apart=apart)
    else:
        bundles = keep_siblings(rows, own, families, step_tokens=batch_tokens, apart=apart)
    steps = plan_steps(bundles.sizes, epochs=1.0, batch_tokens=batch_tokens, seed=0, members=bundles.members)
    sample = np.unique(np.linspace(0, len(steps) - 1, SAMPLE).astype(int)).tolist()
    steps_held = [{row: rows[row] for row in steps[place].rows} for place in sample]
    computed = {size: sum(_computed(held, tokens=size, apart=apart) for held in steps_held) for size in micro}
    chosen = next(size for size in micro if computed[size] <= LOSS * computed[micro[-1]])
    tokens = sum(len(row.ids) for held in steps_held for row in held.values())
    work = tokens + head * sum(sum(row.trained) for held in steps_held for row in held.values())
    branches = sum(_branches(held, tokens=chosen, apart=apart) for held in steps_held)
    saved = tokens - computed[chosen]
    return Sharing(bundles, chosen, saved / tokens, (saved - BRANCH * branches) / work)


def _computed(held: Mapping[int, Worded], *, tokens: int, apart: bool) -> int:
    return sum(sum(grove.added) for grove in groves(held, tokens=tokens, apart=apart))


def _branches(held: Mapping[int, Worded], *, tokens: int, apart: bool) -> int:
    cut = groves(held, tokens=tokens, apart=apart)
    trees = (grow_tree([text for row in grove.rows for text in _texts(held[row], apart)]) for grove in cut)
    return sum(bool(bucket.kind) for tree in trees for bucket in tree.branching.layout.buckets)


def _texts(row: Worded, apart: bool) -> tuple[tuple[int, ...], ...]:
    return row.texts if apart else (row.ids,)


def _repeated(texts: Sequence[Sequence[int]]) -> int:
    """Tokens with which texts begin like the first of them, where that is worth a branch."""
    first, *others = (np.asarray(text) for text in texts)
    return sum(begun for other in others if (begun := common_length(first, other)) >= LEAST)


def keep_siblings(
    rows: Sequence[Worded], lengths: IntArray, families: IntArray, *, step_tokens: int, apart: bool = False
) -> Bundles:
    """Every row once, siblings together as far as a step holds them."""
    leaders, counted = np.arange(len(rows)), lengths.copy()
    order = np.argsort(families, kind="stable")
    ends = np.flatnonzero(np.diff(families[order], prepend=-1, append=families.max() + 1))
    for start, end in pairwise(ends.tolist()):
        held = {row: rows[row] for row in order[start:end].tolist()}
        for grove in groves(held, tokens=STRETCH * step_tokens, apart=apart):
            leaders[grove.rows] = min(grove.rows)
            counted[grove.rows] = grove.added
    return _led(leaders, counted, apart=apart)


def line_up(lengths: IntArray, families: IntArray, *, step_tokens: int, apart: bool = False) -> Bundles:
    """`keep_siblings` without reading a row: siblings stand in the order of their numbers, and all tokens count."""
    order = np.argsort(families, kind="stable")
    family, totals = families[order], np.cumsum(lengths[order])
    begins = np.flatnonzero(np.diff(family, prepend=-2))
    before = np.repeat((totals - lengths[order])[begins], np.diff(begins, append=len(order)))
    part = (totals - before - 1) // (STRETCH * step_tokens)
    alone = family < 0
    is_first = alone | (np.diff(family, prepend=-2) != 0) | (np.diff(part, prepend=-1) != 0)
    leaders = np.empty(len(order), dtype=np.int64)
    leaders[order] = order[is_first][np.cumsum(is_first) - 1]
    return _led(leaders, lengths, apart=apart)


def _led(leaders: IntArray, counted: IntArray, *, apart: bool) -> Bundles:
    """Bundles of the rows that have the same leader, which is the first of them."""
    order = np.argsort(leaders, kind="stable")
    starts = np.flatnonzero(np.diff(leaders[order], prepend=-1, append=len(leaders)))
    return Bundles(Ragged(order, starts), counted, apart)


def groves(held: Mapping[int, Worded], *, tokens: int, apart: bool = False) -> list[Grove]:
    """Cut rows, given by number, into trees of at most `tokens`; a longer row stands alone.

    Rows that begin alike for longer than all of them do stay together; like lengths stand next to each other. Where
    the texts of a row are `apart`, rows begin alike as their first texts do.
    """
    numbers, texts = list(held), [_texts(row, apart) for row in held.values()]
    ids, whole = [np.asarray(each[0]) for each in texts], [sum(map(len, each)) - _repeated(each) for each in texts]
    order = tree_order(ids)
    shared = [common_length(ids[one], ids[two]) for one, two in pairwise(order)]
    common = min(shared, default=0) + LEAST
    families = np.split(order, [place for place, begun in enumerate(shared, start=1) if begun < common])
    families.sort(key=lambda family: max(whole[place] for place in family))
    order = [int(place) for family in families for place in family]
    cut: list[Grove] = []
    room = 0
    for before, place in pairwise([order[0], *order]):
        begun = common_length(ids[before], ids[place])
        added = whole[place] - begun * (begun >= LEAST)
        if not cut or added > room:
            cut.append(Grove([], []))
            added, room = whole[place], tokens
        cut[-1].rows.append(numbers[place])
        cut[-1].added.append(added)
        room -= added
    return cut


def cut_by_tree(held: Mapping[int, Worded], *, tokens: int, apart: bool = False) -> list[list[int]]:
    """Micro-batches in which rows that begin alike stand together, and whose trees hold at most `tokens`."""
    return [grove.rows for grove in groves(held, tokens=tokens, apart=apart)]


def _hashes(ids: NDArray[np.int32], starts: IntArray) -> NDArray[np.uint32]:
    """One number for the first tokens of each row at every depth: [rows, L].

    A sum over tokens of a mix of token and place, so that the sum over any beginning is a difference of two.
    """
    lengths = np.diff(starts)
    places = np.arange(len(ids)) - np.repeat(starts[:-1], lengths)
    words = (ids.astype(np.uint32) + np.uint32(1)) * _ODD
    words ^= words >> np.uint32(15)
    words *= 2 * places.astype(np.uint32) + np.uint32(1)
    words *= _ODD
    words ^= words >> np.uint32(16)
    sums = np.zeros(len(ids) + 1, dtype=np.uint32)
    np.cumsum(words, dtype=np.uint32, out=sums[1:])
    ends = starts[:-1, None] + np.minimum(lengths[:, None], np.array(DEPTHS))
    marks: NDArray[np.uint32] = sums[ends] - sums[starts[:-1], None]
    return marks
