"""Texts with planted near-copies, drawn from a Zipf vocabulary: the ground truth of D2 and the load of D3."""

import random
import string
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

VOCABULARY = 30_000
MOST_EDITS = 12
RECENT = 10_000
SHINGLE_WORDS, SHINGLE_LETTERS = 5, 8


@dataclass(frozen=True, slots=True)
class NearTexts:
    """Texts in random order; the short ones differ from others in a number."""

    texts: list[str]
    short: frozenset[int]


class Zipf:
    """Draws words whose frequency falls with their rank."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        letters = string.ascii_lowercase
        self._words = ["".join(dice.choices(letters, k=dice.randint(2, 10))) for _ in range(VOCABULARY)]
        total, self._weights = 0.0, []
        for place in range(1, VOCABULARY + 1):
            total += 1 / place
            self._weights.append(total)

    def words(self, count: int) -> list[str]:
        """Some words."""
        return self._dice.choices(self._words, cum_weights=self._weights, k=count)

    def many(self, count: int, *, seed: int) -> Iterator[list[str]]:
        """Texts of 150 to 220 words, faster."""
        generator, weights = np.random.default_rng(seed), np.array(self._weights)
        for _ in range(count):
            drawn = generator.random(generator.integers(150, 221)) * weights[-1]
            yield [self._words[place] for place in np.searchsorted(weights, drawn).tolist()]

    def edited(self, words: Sequence[str]) -> list[str]:
        """A copy with 0 to 12 words replaced, moved or cut."""
        copy = list(words)
        for _ in range(self._dice.randint(0, MOST_EDITS)):
            place = self._dice.randrange(len(copy))
            edit = self._dice.choice(("replace", "move", "cut"))
            word = copy.pop(place)
            if edit == "replace":
                copy.insert(place, self.words(1)[0])
            elif edit == "move":
                copy.insert(self._dice.randrange(len(copy) + 1), word)
        return copy


def near_texts(seed: int, *, documents: int, copies: int, short: int) -> NearTexts:
    """Documents of 40 to 400 words, edited copies of them, and rows of 1 to 4 words that differ in a number."""
    dice = random.Random(seed)
    zipf = Zipf(dice)
    originals = [zipf.words(dice.randint(40, 400)) for _ in range(documents)]
    made = [*originals, *(zipf.edited(dice.choice(originals)) for _ in range(copies))]
    texts = [(" ".join(words), False) for words in made]
    while len(texts) < documents + copies + short:
        row = zipf.words(dice.randint(0, 3))
        texts += [(" ".join([*row, str(number)]), True) for number in dice.sample(range(1_000), 5)]
    dice.shuffle(texts)
    return NearTexts(
        texts=[text for text, _ in texts],
        short=frozenset(place for place, (_, is_short) in enumerate(texts) if is_short),
    )


def bulk_texts(seed: int, *, count: int, share: float = 0.2) -> Iterator[str]:
    """Texts of about 1.3 KB; a share of them are edited copies of earlier ones."""
    dice = random.Random(seed)
    zipf = Zipf(dice)
    recent: list[list[str]] = []
    for words in zipf.many(count, seed=seed):
        if recent and dice.random() < share:
            words = zipf.edited(dice.choice(recent))
        if len(recent) < RECENT:
            recent.append(words)
        else:
            recent[dice.randrange(RECENT)] = words
        yield " ".join(words)


def exact_similarities(texts: Sequence[str], *, least: float) -> dict[tuple[int, int], float]:
    """Jaccard similarity of all pairs that reach `least`, from sets of shingles as text."""
    sets = [_shingles(text) for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(sets):
        for shingle in one:
            holders[shingle].append(number)
    found: dict[tuple[int, int], float] = {}
    for number, one in enumerate(sets):
        shared: dict[int, int] = defaultdict(int)
        for shingle in one:
            for other in holders[shingle]:
                shared[other] += other > number
        for other, count in shared.items():
            similarity = count / (len(one) + len(sets[other]) - count)
            if other > number and similarity >= least:
                found[number, other] = similarity
    return found


def _shingles(text: str) -> set[str]:
    words = text.split()
    if len(words) >= SHINGLE_WORDS:
        return {" ".join(words[start : start + SHINGLE_WORDS]) for start in range(len(words) - SHINGLE_WORDS + 1)}
    return {text[start : start + SHINGLE_LETTERS] for start in range(max(1, len(text) - SHINGLE_LETTERS + 1))}
