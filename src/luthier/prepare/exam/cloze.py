"""Cloze: a text breaks off before a rare term, a number or a quantity at the end of a clause; which one is it?"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import Passage, Rarity
from luthier.prepare.exam.question import SPARE, WRONG, Material, Question, Site
from luthier.prepare.exam.terms import Term, terms_in

TASK = "cloze"
LEAST_BEFORE = 40
"""Characters of a gap's own sentence before it: less does not tell what is asked."""
RARE = 0.1
"""Share of documents above which a word is common."""
POOL = 200
"""Terms of one kind that wrong answers are drawn from."""
MOST_TIMES = 3.0
"""A wrong answer stands in at most this many times more or fewer documents than the right one."""
CLOSES = re.compile(r"[.;:!?](?:\s|$)|,\s|\)")
BEFORE = re.compile(r"(\w+) $")
POINTS_BACK = re.compile(r"(?:It|Its|This|That|These|Those|They|Their|Such|Here|He|She|However|But|Otherwise)\b")
"""Beginnings of sentences that mean nothing by themselves."""


def cloze_questions(material: Material) -> Iterator[Question]:
    """Questions for terms that end a clause; wrong answers are terms of the same kind from other documents."""
    pool = _pool(material)
    words: dict[str, set[str]] = defaultdict(set)
    for passage in material.passages:
        words[passage.document] |= passage.words
    gaps = {(site.passage.id, site.start): term for site, term in _gaps(material)}
    for site in material.few(site for site, _term in _gaps(material)):
        term, passage = gaps[site.passage.id, site.start], site.passage
        wrong = _wrong(passage, term, pool=pool, known=words[passage.document], rarity=material.rarity)
        if len(wrong) >= WRONG:
            prompt = material.shown(passage, site.sentence, term.start)
            family = f"cloze:{'text' if material.claim == 'SKILL' else 'sentence'} breaks off"
            yield Question(passage, TASK, family, prompt, term.text, term.start, term.end, wrong)


def _gaps(material: Material) -> Iterator[tuple[Site, Term]]:
    """Every telling term that ends a clause, if what comes before it is enough to ask for it."""
    for passage, (start, end) in ((one, span) for one in material.passages for span in one.sentences):
        text = passage.text
        if material.claim == "KNOWLEDGE" and POINTS_BACK.match(text, start):
            continue
        for term in terms_in(text, start, end):
            ends = CLOSES.match(text, term.end) and text[: term.start].endswith(" ")
            if ends and term.start - start >= LEAST_BEFORE and _is_telling(term, material.rarity):
                yield Site(passage, start, term.start, term.end), term


def _is_telling(term: Term, rarity: Rarity) -> bool:
    return term.kind != "word" or rarity.of(term.text) <= max(1.0, RARE * rarity.documents)


Pool = Mapping[str, Mapping[tuple[str, str], set[str]]]
"""What terms must share to stand for each other -> (term without its unit, document) -> words before it."""


def _pool(material: Material) -> Pool:
    found: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for passage in material.passages:
        for term in (term for span in passage.sentences for term in terms_in(passage.text, *span)):
            if _is_telling(term, material.rarity):
                said = term.text.removesuffix(term.unit) if term.unit else term.text
                found[term.like][said, passage.document].add(_word_before(passage, term))
    return {
        like: {key: terms[key] for key in sorted(terms, key=lambda key: hash_order("\0".join(key)))[:POOL]}
        for like, terms in found.items()
    }


def _wrong(passage: Passage, term: Term, *, pool: Pool, known: set[str], rarity: Rarity) -> tuple[str, ...]:
    """Terms like this one from other documents, none of which this document holds.

    First come those that elsewhere stand behind the same word, then those that are as rare and as long.
    """
    gold = term.text.removesuffix(term.unit) if term.unit else term.text
    word = _word_before(passage, term)
    fitting: dict[str, tuple[bool, float, tuple[int, str]]] = {}
    for (said, document), others in pool.get(term.like, {}).items():
        longer = abs(len(said) - len(gold))
        if document == passage.document or longer > max(2, len(gold) // 3):
            continue
        times = abs(math.log((1 + rarity.of(said)) / (1 + rarity.of(gold))))
        if times > math.log(MOST_TIMES) or said.casefold().rstrip("()") in known or _are_forms(said, gold):
            continue
        if word in {"a", "an"} and _is_vowel(said) != _is_vowel(gold):
            continue
        gap = round(times + longer / len(gold), 6)
        rank = (word not in others, gap, hash_order(f"{passage.id}{term.start}{said}"))
        fitting[said + term.unit] = min(rank, fitting.get(said + term.unit, rank))
    return tuple(sorted(fitting, key=lambda said: fitting[said])[:SPARE])


def _word_before(passage: Passage, term: Term) -> str:
    found = BEFORE.search(passage.text, max(0, term.start - 30), term.start)
    return found[1].casefold() if found else ""


def _are_forms(one: str, other: str) -> bool:
    """Whether two words are equal or may be forms of one."""
    return one == other or (one.isalpha() and one[:5].casefold() == other[:5].casefold())


def _is_vowel(word: str) -> bool:
    return word[:1].casefold() in "aeiou"
