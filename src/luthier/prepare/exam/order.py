"""Order: a text breaks off between two sentences; which one goes on?"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import WORD, Passage, Rarity
from luthier.prepare.exam.question import SPARE, WRONG, Material, Question, Site

TASK, FAMILY = "order", "order:next sentence"
SHORTEST, LONGEST = 40, 220
"""Characters of a sentence."""
MOST_LONGER = 0.35
"""A wrong sentence is longer or shorter by at most this share of the right one."""
POOL = 600
"""Sentences that wrong ones are drawn from."""
COMMON = 0.3
"""Share of documents from which a word says nothing about a subject."""


def order_questions(material: Material) -> Iterator[Question]:
    """Questions for the next sentence of a paragraph; wrong ones are other documents', and share words with the text.

    Only of documents that were never trained on: of the others they would ask for the text by heart.
    """
    if material.claim != "SKILL":
        return
    sites = [site for passage in material.passages for site in _sites(passage)]
    pool = sorted(sites, key=lambda site: hash_order(f"{site.passage.id}:{site.start}"))[:POOL]
    for site in material.few(sites):
        prompt = material.shown(site.passage, site.sentence, site.start)
        wrong = _wrong(site, prompt, pool, material.rarity)
        if len(wrong) >= WRONG:
            yield Question(site.passage, TASK, FAMILY, prompt, site.text, site.start, site.end, wrong)


def _sites(passage: Passage) -> Iterator[Site]:
    """Sentences behind another of their paragraph, with where that one begins."""
    for (first, before), (start, end) in pairwise(passage.sentences):
        between = passage.text[before:start]
        if "\n" not in between and SHORTEST <= end - start <= LONGEST and "\n" not in passage.text[start:end]:
            yield Site(passage, first, start, end)


def _wrong(site: Site, prompt: str, pool: Sequence[Site], rarity: Rarity) -> tuple[str, ...]:
    """Sentences of other documents that are about as long; those with more of the text's telling words come first."""
    told = _telling(prompt, rarity)
    fitting: dict[str, tuple[int, tuple[int, str]]] = {}
    for other in pool:
        longer = abs(len(other.text) - len(site.text)) / len(site.text)
        if other.passage.document != site.passage.document and longer <= MOST_LONGER and other.text != site.text:
            shared = len(told & _telling(other.text, rarity))
            fitting[other.text] = (-shared, hash_order(site.text + other.text))
    return tuple(sorted(fitting, key=lambda said: fitting[said])[:SPARE])


def _telling(text: str, rarity: Rarity) -> set[str]:
    words = {word for word in WORD.findall(text.casefold()) if len(word) > 3}
    return {word for word in words if rarity.of(word) <= COMMON * rarity.documents}
