"""From held-out examples to exam items, and the caps that keep one group from being the whole exam."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from luthier.artifacts.canonical import sha256_of
from luthier.prepare.candidate import words_of
from luthier.records import Item, Message

LARGEST_SHARE = 0.25
"""Largest share of the items that one group may hold (leverage h of evidence.md section 3)."""


def exam_item(
    messages: Sequence[Message], *, tools: Sequence[str], group: str, task: str, golds: Sequence[str], at: str
) -> Item:
    """Make one item. Its id is the first 16 hex digits of SHA-256 over group, task, prompt with tools, and golds.

    The place is not part of the id: the same question keeps its id when a row moves to another line.
    """
    prompt = [{"role": turn.role, "content": words_of(turn)} for turn in messages]
    about = {"document": group, "task": task, "question": prompt, "golds": list(golds)} | (
        {"tools": tools} if tools else {}
    )
    name = sha256_of(about)[:16]
    return Item(
        name, document=group, task=task, messages=tuple(messages), golds=tuple(golds), at=at, tools=tuple(tools)
    )


def within_caps(items: Sequence[Item], *, per_group: int, is_whole: bool = True) -> list[Item]:
    """Keep at most `per_group` items of a group, fewer if one group would hold over a quarter; lowest ids stay.

    With fewer than four groups, or in one of several folds, a quarter cannot be kept to, and only `per_group` applies.
    """
    ordered = sorted(items, key=lambda item: item.id)
    sizes = Counter(item.document for item in ordered)
    caps = [cap for cap in range(per_group, 0, -1) if _fair(sizes, cap)] if is_whole else []
    cap = caps[0] if caps else per_group
    taken: dict[str, int] = defaultdict(int)
    kept = []
    for item in ordered:
        taken[item.document] += 1
        if taken[item.document] <= cap:
            kept.append(item)
    return kept


def _fair(sizes: Counter[str], cap: int) -> bool:
    capped = [min(size, cap) for size in sizes.values()]
    return bool(capped) and max(capped) <= LARGEST_SHARE * sum(capped)
