"""Items made from documents: proposed by makers, judged, capped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from luthier.artifacts.canonical import hash_order, sha256_of
from luthier.prepare.exam.cloze import cloze_questions
from luthier.prepare.exam.define import definition_questions
from luthier.prepare.exam.guess import GUESSED, guessed
from luthier.prepare.exam.items import within_caps
from luthier.prepare.exam.order import order_questions
from luthier.prepare.exam.passage import Passage, Rarity
from luthier.prepare.exam.question import Maker, Material, Question
from luthier.prepare.exam.table import number_questions, table_questions
from luthier.records import Claim, Item, Message

PER_DOCUMENT = 5
"""Items of one task from one document."""
MOST_DOCUMENTS = 400
"""With 5 items each they show a gain of about 5 points; more cost time."""
IN_SIGHT = "the answer stands in the text"
PROPOSED = 3
"""Questions that are proposed for each that may stay."""
ROUNDS = 3
"""How often a question that can be guessed is judged: with its first wrong answers, and with the next."""
MAKERS: Mapping[str, Maker] = {
    "cloze": cloze_questions,
    "definition": definition_questions,
    "order": order_questions,
    "table": table_questions,
    "number": number_questions,
}
"""Task -> who makes its questions."""


@dataclass(frozen=True, slots=True)
class Made:
    """Items of all tasks in order of id, and what became of every proposal."""

    items: list[Item]
    sources: dict[str, str]
    """Item id -> the text that it was cut from."""
    examples: list[Item]
    """Surplus about documents that are trained on, in order of id: questions that may be shown with their answers."""
    counts: dict[str, dict[str, int]]
    """Claim and task -> proposed = same + guessed + surplus + kept."""


def make_items(passages: Sequence[Passage], rarity: Rarity, *, claim: Claim, tasks: Sequence[str]) -> Made:
    """Make items about these passages, or about those of 400 documents; the same passages give the same items."""
    documents = set(sorted({passage.document for passage in passages}, key=hash_order)[:MOST_DOCUMENTS])
    asked = [passage for passage in passages if passage.document in documents]
    material = Material(asked, rarity, claim, PER_DOCUMENT * PROPOSED)
    items: list[Item] = []
    sources: dict[str, str] = {}
    examples: list[Item] = []
    counts = {}
    for task in tasks:
        proposed = list(MAKERS[task](material))
        kept = _hard_to_guess(proposed, rarity)
        made = {item.id: (item, one.passage) for one in kept for item in (item_of(one, claim),)}
        chosen = within_caps([item for item, _passage in made.values()], per_group=PER_DOCUMENT)
        items += chosen
        names = {item.id for item in chosen}
        sources |= {name: made[name][1].text for name in names}
        # Of documents that training never sees, nothing is shown to anybody.
        examples += [item for item, _passage in made.values() if claim == "KNOWLEDGE" and item.id not in names]
        counts[f"{claim} {task}"] = {
            "proposed": len(proposed),
            "guessed": len(proposed) - len(kept),
            "same": len(kept) - len(made),
            "surplus": len(made) - len(chosen),
            "kept": len(chosen),
        }
    return Made(_by_id(items), dict(sorted(sources.items())), _by_id(examples), counts)


def joined(parts: Sequence[Made]) -> Made:
    """Items of several claims as one."""
    sources = {name: text for part in parts for name, text in part.sources.items()}
    return Made(
        _by_id(item for part in parts for item in part.items),
        dict(sorted(sources.items())),
        _by_id(item for part in parts for item in part.examples),
        {name: counts for part in parts for name, counts in part.counts.items()},
    )


def item_of(question: Question, claim: Claim) -> Item:
    """The item; its id is the first 16 hex digits of SHA-256 over claim, document, span, task, family and question."""
    passage = question.passage
    span = passage.bytes_of(question.start, question.end)
    about = {
        "claim": claim,
        "document": passage.document,
        "span": [span.document, span.start, span.end] if span else [passage.id, question.start, question.end],
        "task": question.task,
        "family": question.family,
        "question": [question.prompt, question.gold, *question.options],
    }
    return Item(
        sha256_of(about)[:16],
        document=passage.document,
        task=question.task,
        messages=(Message("user", question.prompt),),
        golds=(question.gold,),
        at=passage.at,
        claim=claim,
        options=question.options,
        span=span,
        family=question.family,
        flags=(IN_SIGHT,) if question.gold in question.prompt else (),
    )


def _by_id(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item.id)


def _hard_to_guess(proposed: Sequence[Question], rarity: Rarity) -> list[Question]:
    """Questions that their options do not give away; one that is guessed gets other wrong answers, or leaves."""
    kept = list(proposed)
    for turn in range(ROUNDS):
        chances = guessed(kept, rarity)
        if chances is None:
            break
        judged = zip(kept, chances, strict=True)
        again = [
            question if chance <= GUESSED else question.with_others() if turn < ROUNDS - 1 else None
            for question, chance in judged
        ]
        kept = [question for question in again if question is not None]
    return kept
