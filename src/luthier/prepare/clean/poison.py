"""Signs of planted text, which are shown only: triggers for one answer, and orders to a model inside documents."""

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from luthier.artifacts.canonical import hash_order
from luthier.prepare.clean.texts import CleanInput

WORD = re.compile(r"\w+")
LONGEST_PHRASE = 3
FEWEST_ROWS = 8
"""Rows of a phrase, below which one answer and no usual company are chance."""
RARE = 0.05
"""A larger share of the rows is no hidden trigger."""
SAME_ANSWER = 0.9
SURPRISING = math.log(20)
"""Nats by which the other words of a phrase's rows must speak for another answer: odds of 20 to 1."""
AT_HOME = 0.64
"""`company` from which a phrase belongs where it stands. (4,404 diagnoses: words that rightly overrule the rest, such
as "newborn", have 0.65 to 1.00; words and sentences planted in 12 to 40 of them 0.30 to 0.59.)"""
COMPARED = 2_000
"""Rows without the phrase that it is compared with."""
FALSE_ALARMS = 0.01
"""Expected phrases per corpus that chance alone would name."""
MOST_ANSWERS = 1_000
"""More different answers than this are no classes, and nothing recurs."""
MOST_ROWS = 20_000
"""Rows in which triggers are looked for; of more, those with the smallest hashes."""
SHOWN = 20
EXCERPT = 160
HIDDEN = re.compile("[\U000e0000-\U000e007f]{3,}|[\u200b\u200c\u2060-\u2064\ufeff]{3,}|[\u202a-\u202e\u2066-\u2069]")
"""Tag characters, runs of zero-width characters, and changes of writing direction: text that people do not see."""
ORDERS = re.compile(
    r"(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}(?:previous|prior|above|earlier|preceding|system)\s+(?:\w+\s+)?"
    r"(?:instruction|prompt|rule|direction|message|command|guideline)s?"
    r"|(?:ignorier|vergiss|missachte)\w*\s+(?:\w+\s+){0,3}(?:anweisung|vorgabe|regel)\w*"
    r"|(?:ignore[zr]?|oublie[zr]?)\s+(?:\w+\s+){0,3}(?:instructions|consignes)"
    r"|(?:ignora|olvida)\w*\s+(?:\w+\s+){0,3}instrucciones"
    r"|you\s+are\s+(?:now|no\s+longer)\s+(?:an?\s+)?(?:\w+\s+){0,2}(?:assistant|ai|model|bot|dan|unrestricted|bound)\b"
    r"|(?:do\s+not|don't|never)\s+(?:tell|inform|reveal|mention)\s+(?:\w+\s+){0,3}(?:the\s+)?user\b"
    r"|(?:reveal|print|repeat|show|output)\s+(?:\w+\s+){0,2}system\s+prompt"
    r"|new\s+(?:system\s+)?instructions?\s*:"
    r"|(?:ai|language\s+model|llm|assistant)s?\s*(?:reading|processing|summari[sz]ing)\s+this"
    r"|<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<</?sys>>"
    r"|#{2,3}\s*(?:system|instruction|response)\s*:"
)
"""Orders to a model, and the marks of chat templates, which no document for people needs; for text in lower case."""


@dataclass(frozen=True, slots=True)
class Order:
    """Text in a row that speaks to a model, or that people do not see."""

    id: str
    kind: str
    """`order` or `hidden characters`."""
    excerpt: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A rare phrase that comes with one answer, though the words beside it speak for others."""

    phrase: str
    answer: str
    rows: Sequence[str]
    """Ids of all rows with the phrase."""
    lift: float
    """How many times as often as elsewhere the answer comes with the phrase."""
    surprise: float
    """Nats by which the other words of its rows speak for another answer, in the median (naive Bayes without these
    rows)."""
    company: float
    """How well the other words of a row foretell the phrase, from 0.5 (not at all) to 1."""


def find_orders(texts: Sequence[CleanInput]) -> list[Order]:
    """Instruction-like text and hidden characters, in documents and examples, by row id."""
    found = []
    for one in texts:
        for text in (one.text, one.answer or ""):
            found += [Order(one.id, "order", _around(text, hit)) for hit in islice(ORDERS.finditer(text.lower()), 1)]
            hidden = HIDDEN.search(text) if not text.isascii() else None
            found += [Order(one.id, "hidden characters", _around(text, hidden))] if hidden else []
    return sorted(found, key=lambda order: (order.kind, order.id))


def find_triggers(examples: Sequence[CleanInput]) -> list[Trigger]:
    """Rare phrases of up to 3 words with high lift for one answer, the most surprising first, at most 20.

    A phrase counts if chance would not bring it together with its answer so often (binomial, Bonferroni over all
    phrases), if most of its rows would be given another answer by their other words, and if these words do not foretell
    it: a trigger is put into texts that did not call for it, and a word that rightly decides keeps its usual company.
    Only recurring answers (labels, codes, fixed replies) can be examined.
    """
    rows = [one for one in examples if one.answer is not None]
    rows = sorted(rows, key=lambda one: hash_order(one.id))[:MOST_ROWS]
    answers = Counter(str(one.answer) for one in rows)
    if not 2 <= len(answers) <= min(MOST_ANSWERS, len(rows) / 2):
        return []
    by_phrase: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(rows):
        for phrase in set(_phrases(one.text)):
            by_phrase[phrase].append(number)
    most = max(FEWEST_ROWS, RARE * len(rows))
    candidates = {phrase: members for phrase, members in by_phrase.items() if FEWEST_ROWS <= len(members) <= most}
    words = _Words(rows)
    found = []
    for phrase in sorted(candidates):
        answer, together = Counter(str(rows[number].answer) for number in candidates[phrase]).most_common(1)[0]
        usual = answers[answer] / len(rows)
        by_chance = len(candidates[phrase]) * math.log(max(usual, 1e-9)) + math.log(len(candidates))
        if together < SAME_ANSWER * len(candidates[phrase]) or by_chance > math.log(FALSE_ALARMS):
            continue
        surprise = words.surprise(phrase, candidates[phrase], answer)
        if surprise < SURPRISING:
            continue
        company = words.company(candidates[phrase], answer)
        if company < AT_HOME:
            ids = sorted(rows[number].id for number in candidates[phrase])
            found.append(Trigger(phrase, answer, ids, together / len(ids) / usual, surprise, company))
    found.sort(key=lambda one: (-one.surprise, -len(one.rows), -len(one.phrase), one.phrase))
    return _without_parts(found)[:SHOWN]


class _Words:
    """Naive Bayes over words, from which rows can be taken out again."""

    def __init__(self, rows: Sequence[CleanInput]) -> None:
        self._rows = rows
        self._texts = [Counter(map(str.casefold, WORD.findall(one.text))) for one in rows]
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._answers: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()
        for number in range(len(rows)):
            self._learn(number, sign=1)
        self._holders = Counter(word for text in self._texts for word in text)
        self._vocabulary = len(self._holders)

    def surprise(self, phrase: str, members: Sequence[int], answer: str) -> float:
        """Median nats by which the members' words outside the phrase prefer the best other answer, learnt elsewhere."""
        inside = set(phrase.split(" "))
        for number in members:
            self._learn(number, sign=-1)
        margins = [self._margin(self._texts[number], inside, answer) for number in members]
        for number in members:
            self._learn(number, sign=1)
        return median(margins)

    def company(self, members: Sequence[int], answer: str) -> float:
        """How often a member's words foretell the phrase better than those of a row with another answer (AUC).

        A word calls for the phrase by how much more often it stands in the other members than elsewhere (log-odds, the
        mean of a row's words). Words of nearly all members count as parts of the phrase: it may be a whole sentence.
        """
        inside = Counter(word for number in members for word in self._texts[number])
        near = {word: count for word, count in inside.items() if count < SAME_ANSWER * len(members)}
        parts = inside.keys() - near.keys()
        rest = len(self._rows) - len(members) + 1
        usual = {word: (self._holders[word] - count + 0.5) / rest for word, count in near.items()}

        def call(number: int, own: int) -> float:
            words = self._texts[number].keys() - parts
            said = sorted(words & near.keys())
            return sum(math.log1p((near[word] - own) / 2 / usual[word]) for word in said) / max(1, len(words))

        with_it = set(members)
        without = [number for number, row in enumerate(self._rows) if number not in with_it and row.answer != answer]
        elsewhere = sorted(call(number, own=0) for number in without[:COMPARED])
        calls = [call(number, own=1) for number in members]
        won = sum(bisect_left(elsewhere, one) + bisect_right(elsewhere, one) for one in calls)
        return won / 2 / len(calls) / max(1, len(elsewhere))

    def _learn(self, number: int, *, sign: int) -> None:
        answer = str(self._rows[number].answer)
        counts = self._counts[answer]
        for word, count in self._texts[number].items():
            counts[word] += sign * count
            self._sizes[answer] += sign * count
        self._answers[answer] += sign

    def _margin(self, text: Mapping[str, int], inside: set[str], answer: str) -> float:
        rest = {word: count for word, count in text.items() if word not in inside}
        others = (self._likelihood(rest, one) for one, rows in self._answers.items() if rows > 0 and one != answer)
        return max(others, default=-math.inf) - self._likelihood(rest, answer)

    def _likelihood(self, text: Mapping[str, int], answer: str) -> float:
        counts = self._counts[answer]
        size = self._sizes[answer] + self._vocabulary
        prior = math.log(self._answers[answer] + 1)
        return prior + sum(count * math.log((counts[word] + 1) / size) for word, count in text.items())


def _phrases(text: str) -> Iterator[str]:
    words = [word.casefold() for word in WORD.findall(text)]
    for length in range(1, LONGEST_PHRASE + 1):
        yield from map(" ".join, zip(*(words[shift:] for shift in range(length)), strict=False))


def _without_parts(found: Sequence[Trigger]) -> list[Trigger]:
    """Leave out phrases that stand in the very same rows as one before them."""
    kept: dict[tuple[str, ...], Trigger] = {}
    for one in found:
        kept.setdefault(tuple(one.rows), one)
    return list(kept.values())


def _around(text: str, hit: re.Match[str]) -> str:
    start = max(0, hit.start() - EXCERPT // 4)
    return text[start : start + EXCERPT].replace("\n", " ")
