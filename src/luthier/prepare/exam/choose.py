"""Which held-out examples become the exam: gradable, of a known label, leaking nothing, within the caps."""

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.prepare.candidate import Books
from luthier.prepare.exam.items import exam_item, within_caps
from luthier.prepare.leaks import Leak, Reworded, asked_in, find_leaks, find_reworded, prompts_of, told
from luthier.prepare.nearest import Copied, check_copy_baseline, copy_baseline
from luthier.prepare.reading import Reading
from luthier.records import Item

SURPLUS = "more exam items than one group may hold"
CONFLICT = "the same question has another answer, so the exam cannot ask it"
SAME = "the exam asks the same already, after shortening"
LEAK = "leak: training rows give the exam question away"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The exam, in order of item id."""

    items: list[Item]
    readings: list[Reading]
    """The worded rows of the items, in their order."""
    leaks: list[Leak]
    """What was found and taken out."""
    reworded: list[Reworded]
    """Items that training may ask in other words: for a person to look at."""
    copied: Copied
    """What copying the nearest training answer scores."""
    untold: list[Reading]
    """Held-out readings that training does not give away, surplus included: what questions are made from."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exam is chosen under."""

    task: str
    apart: bool
    """Whether the texts of a row are read one by one (see `Objective.apart`)."""
    per_group: int
    """At most this many items from one group."""
    is_whole: bool
    """Whether this is all that is examined, and not one fold of it."""
    conflicts: frozenset[str]
    """Ids of candidates that nobody can grade."""
    free: bool
    """True if answers are written, not chosen from the labels of a classifier."""


def choose_items(held_out: Sequence[Reading], *, trained: Sequence[Reading], terms: Terms, books: Books) -> Chosen:
    """Choose the exam from held-out readings; every one that is not chosen goes to the books."""
    made: dict[str, tuple[Item, Reading]] = {}
    for one in held_out:
        reason = _ungradable(one, terms.conflicts)
        if reason is not None:
            books.drop_candidates([one.candidate], rule=reason)
            continue
        about = {"group": one.row.group, "task": terms.task, "at": one.row.at}
        item = exam_item(one.asked, tools=one.tools, golds=one.golds, **about)
        if item.id in made:
            books.drop_candidates([one.candidate], rule=SAME)
        else:
            made[item.id] = (item, one)
    asked = [told(one.candidate, name=key, group=one.row.group) for key, (_item, one) in made.items()]
    said = [told(one.candidate, name=one.row.at, group=one.row.group) for one in trained]
    leaks = find_leaks(said, asked) + _same_ids(trained, made, apart=terms.apart)
    assert not any(leak.kind == "group" for leak in leaks), "a group is on both sides"
    leaking = {leak.item for leak in leaks}
    books.drop_candidates((made[key][1].candidate for key in made if key in leaking), rule=LEAK)
    clean = [item for key, (item, _one) in made.items() if key not in leaking]
    items = within_caps(clean, per_group=terms.per_group, is_whole=terms.is_whole)
    chosen = {item.id for item in items}
    books.drop_candidates((made[item.id][1].candidate for item in clean if item.id not in chosen), rule=SURPLUS)
    readings = [made[item.id][1] for item in items]
    kept = [one for one in asked if one.name in chosen]
    copied = copy_baseline([(one.question, one.answer) for one in kept], [(one.question, one.answer) for one in said])
    if terms.free:
        check_copy_baseline(copied)
    return Chosen(
        items=items,
        readings=readings,
        leaks=leaks,
        reworded=find_reworded(said, kept),
        copied=copied,
        untold=[made[item.id][1] for item in clean],
    )


def _ungradable(one: Reading, conflicts: frozenset[str]) -> str | None:
    return CONFLICT if one.candidate.id in conflicts else one.ungradable or None


def _same_ids(trained: Sequence[Reading], made: dict[str, tuple[Item, Reading]], *, apart: bool) -> list[Leak]:
    """Different texts can be the same ids (capitals, unknown letters); to the model they are one question."""
    places = {prompt: one.row.at for one in trained for prompt in prompts_of(one.row, apart=apart)}
    asked = {key: asked_in(one.row, apart=apart) for key, (_item, one) in made.items()}
    return [Leak(key, "equal", places[prompt]) for key, prompt in asked.items() if prompt in places]
