"""A clean split of questions about invented machines, and leaks planted in it: the ground truth of D6."""

import dataclasses
import random
import string
from dataclasses import dataclass
from typing import Literal

from bench.data._near_texts import Zipf, exact_similarities

from luthier.prepare.dedup.matching import matching_copy
from luthier.prepare.leaks import Told
from luthier.records import Span

Plant = Literal["exact", "near", "child", "reworded"]
PLANTS: tuple[Plant, ...] = ("exact", "near", "child", "reworded")
NEAR = 0.7
CHUNK = 2_000
PROPERTIES = {
    "maximum pressure": ["highest pressure allowed", "pressure limit", "largest pressure"],
    "oil volume": ["volume of oil", "amount of oil", "quantity of oil"],
    "tightening torque": ["torque for tightening", "torque when tightened", "torque of the bolts"],
    "service interval": ["interval between services", "time between services", "interval for service"],
    "rated current": ["current it is rated for", "rating of the current", "nominal current"],
    "noise level": ["level of noise", "loudness", "sound level"],
}
UNITS = dict(zip(PROPERTIES, ("bar", "litres", "Nm", "hours", "A", "dB"), strict=True))
PLAIN = ["What is the {what} of the {name}?", "Give the {what} of the {name}.", "State the {what} of the {name}."]
REWORDED = [
    "Please tell me which {what} applies to a {name}",
    "I am working on a {name} and have to know its {what}. What does the manual say?",
    "How much is the {what} when you use the {name}?",
    "{name}: {what}?",
    "Our technician asked about the {what} for the {name} unit; what should I answer him?",
]
KINDS = ["pump", "valve", "compressor", "gearbox", "burner", "fan", "press"]
ADVICE = "Read the safety notes of the manual before you open the housing and switch off the mains."
"""Boilerplate of many answers: shared by both sides, and no leak."""


@dataclass(frozen=True, slots=True)
class LeakySplit:
    """Both sides, and which training rows give which item away."""

    trained: list[Told]
    asked: list[Told]
    planted: dict[str, Plant]
    """Item id -> the kind of its leak."""


class Maker:
    """Makes questions of a clean split."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self._zipf = Zipf(dice)
        self._names: set[str] = set()

    def fact(self) -> tuple[str, str, str]:
        """A question about one property, its machine and the answer; other machines often share the value."""
        name, what = self._name(), self.dice.choice(list(PROPERTIES))
        answer = f"{self.dice.choice([5, 10, 12, 16, 20, 25, 40, 80])} {UNITS[what]}"
        return self.dice.choice(PLAIN).format(what=what, name=name), f"{name}|{what}", answer

    def procedure(self) -> tuple[str, str, str]:
        """A longer question and an answer of 30 to 80 words, every second with the usual advice."""
        name = self._name()
        words = self._zipf.words(self.dice.randint(30, 80))
        answer = " ".join(words) + (f". {ADVICE}" if self.dice.random() < 0.5 else ".")
        return f"How do you {' '.join(self._zipf.words(6))} with the {name}?", name, answer

    def reworded(self, about: str) -> str:
        """Another question about the same property of the same machine."""
        name, what = about.split("|")
        return self.dice.choice(REWORDED).format(what=self.dice.choice([what, *PROPERTIES[what]]), name=name)

    def edited(self, answer: str) -> str:
        """A copy with a few words replaced."""
        words = answer.split()
        for place in self.dice.sample(range(len(words)), self.dice.randint(1, 2)):
            words[place] = self._zipf.words(1)[0]
        return " ".join(words)

    def _name(self) -> str:
        while True:
            letters = "".join(self.dice.choices(string.ascii_lowercase, k=self.dice.randint(4, 8))).capitalize()
            number = f" {self.dice.randint(10, 99)}" if self.dice.random() < 0.5 else ""
            name = f"{letters}{number} {self.dice.choice(KINDS)}"
            if name not in self._names:
                self._names.add(name)
                return name


def leaky_split(seed: int, *, trained: int, asked: int, planted: int) -> LeakySplit:
    """Make `trained` and `asked` rows about different machines, and `planted` leaks of every kind."""
    dice = random.Random(seed)
    maker = Maker(dice)
    rows = [_row(maker, number) for number in range(trained)]
    about: dict[str, str] = {}
    items: list[Told] = []
    for number in range(asked):
        question, thing, answer = maker.fact() if number % 2 else maker.procedure()
        name = f"item-{number:04}"
        about[name] = thing
        items.append(Told(name, f"group-{number}", question, answer, f"row-of-{name}", None, (_span("exam", number),)))
    facts, procedures = items[1::2], items[0::2]
    leaking = {
        "reworded": facts[:planted],
        "exact": items[-2 * planted : -planted],
        "child": items[-planted:],
        "near": procedures[:planted],
    }
    plants: dict[str, Plant] = {}
    for kind in PLANTS:
        for number, item in enumerate(leaking[kind]):
            plants[item.name] = kind
            rows.append(_leak(maker, kind, item, about=about[item.name], number=number))
    dice.shuffle(rows)
    return LeakySplit(trained=[_copied(row) for row in rows], asked=[_copied(item) for item in items], planted=plants)


def _row(maker: Maker, number: int) -> Told:
    question, _, answer = maker.fact() if number % 2 else maker.procedure()
    at = f"train.csv:{number}"
    return Told(at, f"train-{number}", question, answer, f"row-{number}", None, (_span("train", number),))


def _leak(maker: Maker, kind: Plant, item: Told, *, about: str, number: int) -> Told:
    at, group = f"leak.csv:{kind}-{item.name}", f"leak-{kind}-{number}"
    match kind:
        case "exact":
            return Told(at, group, f"  {item.question.upper()}", maker.dice.choice([item.answer, "unknown"]))
        case "near":
            return Told(at, group, *_near(maker, item))
        case "reworded":
            return Told(at, group, maker.reworded(about), item.answer)
    question, _, answer = maker.fact()
    if number % 2:
        return Told(at, group, question, answer, parent=item.row_id)
    return Told(at, group, question, answer, spans=(Span(item.spans[0].document, item.spans[0].start + 9, CHUNK * 9),))


def _near(maker: Maker, item: Told) -> tuple[str, str]:
    """Question and answer edited so that the whole keeps a Jaccard similarity of 0.7 or more."""
    while True:
        question, answer = f"Please, {item.question.lower()}", maker.edited(item.answer)
        texts = [matching_copy(text) for text in (f"{item.question} {item.answer}", f"{question} {answer}")]
        if exact_similarities(texts, least=NEAR):
            return question, answer


def _copied(row: Told) -> Told:
    return dataclasses.replace(row, question=matching_copy(row.question), answer=matching_copy(row.answer))


def _span(side: str, number: int) -> Span:
    return Span(f"{side}-{number}", 0, CHUNK)
