"""Definitions: what a document says that a term is."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luthier.artifacts.canonical import hash_order
from luthier.prepare.exam.passage import Passage, Rarity
from luthier.prepare.exam.question import SPARE, WRONG, Material, Question, Site

TASK = "definition"
SHORTEST, LONGEST = 15, 220
"""Characters of a definition."""
SHORT, MOST_LONGER = 30, 0.6
"""A wrong answer is longer or shorter by at most this share of the right one, or of this many characters."""
POOL = 400
"""Definitions of one pattern that wrong answers are drawn from."""
TERM = r"[^\W\d_][\w.$()\[\]/-]*(?: [\w.$()\[\]/-]+){0,4}"
LISTED = re.compile(rf"^(?P<term>{TERM})[ \t]*\n: (?P<said>[^\n]+)", re.MULTILINE)
DASHED = re.compile(rf"^(?P<term>{TERM}) — (?P<said>[^\n]+)", re.MULTILINE)
STATED = re.compile(
    r"(?P<term>(?:An? |The )?[A-Z][\w-]*(?: [\w-]+){0,3}) (?:is|are|means|refers to) "
    r"(?P<said>(?:an?|the|any) [^\n]+)"
)
SENTENCE_END = re.compile(r"(?<=[^.][a-z0-9)\]”\"])[.](?:\s|$)")
VAGUE = re.compile(
    r"(?:An? |The )?(?:It|This|That|These|Those|There|Here|They|What|Which|Who|If|Note|See|For|In|On|At|As|Just|Since|"
    r"Although|While|When|Where|Wherever|Because|Normally|True|False|First|Last|Second|One|Same|Next|Other|Return|Value)\b",
    re.IGNORECASE,
)
"""Beginnings of what is no name of anything, or of what means nothing by itself."""
LEAST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Definition:
    """Characters [start, end) of a passage that say what a term is, and where the term begins."""

    passage: Passage
    term: str
    pattern: str
    begins: int
    start: int
    end: int

    @property
    def said(self) -> str:
        """The definition."""
        return self.passage.text[self.start : self.end]


def definition_questions(material: Material) -> Iterator[Question]:
    """Questions for what a term is; wrong answers are what other documents say of other terms, in the same pattern."""
    found = [one for passage in material.passages for one in definitions_in(passage)]
    by_place = {(one.passage.id, one.start): one for one in found}
    pool: dict[str, list[Definition]] = defaultdict(list)
    for one in sorted(found, key=lambda one: hash_order(one.said)):
        if len(pool[one.pattern]) < POOL:
            pool[one.pattern].append(one)
    for site in material.few(Site(one.passage, one.begins, one.start, one.end) for one in found):
        asked = by_place[site.passage.id, site.start]
        wrong = _wrong(asked, pool[asked.pattern], material.rarity)
        if len(wrong) >= WRONG:
            prompt = material.shown(site.passage, asked.begins, asked.start)
            family = f"definition:{asked.pattern}:{'text' if material.claim == 'SKILL' else 'term'}"
            yield Question(site.passage, TASK, family, prompt, asked.said, asked.start, asked.end, wrong)


def definitions_in(passage: Passage) -> Iterator[Definition]:
    """Every definition of a passage, once: `term` and `: what it is` on a line each, `name — purpose`, `X is a ...`."""
    text = passage.text
    taken: set[int] = set()
    for name, pattern in (("listed", LISTED), ("dashed", DASHED)):
        for match in pattern.finditer(text):
            yield from _fitting(passage, name, match, taken)
    for start, end in passage.sentences:
        stated = STATED.match(text, start, end)
        if stated:
            yield from _fitting(passage, "stated", stated, taken)


def _fitting(passage: Passage, name: str, match: re.Match[str], taken: set[int]) -> Iterator[Definition]:
    """The first sentence of a definition, if it is neither too short nor too long and tells something."""
    start, last = match.span("said")
    first = SENTENCE_END.search(passage.text, start, last)
    end = first.start() if first else last
    said = passage.text[start:end].rstrip(" .:;,")
    if start in taken or VAGUE.match(match["term"]) or VAGUE.match(said) or not SHORTEST <= len(said) <= LONGEST:
        return
    if len(said.split()) < LEAST_WORDS:
        return
    taken.add(start)
    yield Definition(passage, match["term"], name, match.start("term"), start, start + len(said))


def _wrong(asked: Definition, pool: Sequence[Definition], rarity: Rarity) -> tuple[str, ...]:
    """Definitions from other documents that begin in the same way and are about as long; not of the same term."""
    fitting: dict[str, tuple[bool, float, tuple[int, str]]] = {}
    words = _words(asked.term)
    first = asked.said.split()[0].casefold()
    for other in pool:
        longer = abs(len(other.said) - len(asked.said)) / max(len(asked.said), SHORT)
        if other.passage.document == asked.passage.document or longer > MOST_LONGER:
            continue
        if other.said == asked.said or words & _words(other.term) or words & _words(other.said):
            continue
        rank = (other.said.split()[0].casefold() != first, round(longer, 6), hash_order(asked.said + other.said))
        fitting[other.said] = rank
    return tuple(sorted(fitting, key=lambda said: fitting[said])[:SPARE])


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w{3,}", text.casefold()) if word not in {"the", "and"}}
