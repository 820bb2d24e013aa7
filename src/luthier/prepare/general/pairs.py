"""General pairs, for telling whether a tuned embedder lost what the base could do: sentences that use a word, and what
the word means.
"""

import re
from collections.abc import Iterator, Mapping

from luthier.artifacts.rows import SEARCH
from luthier.prepare.general.tasks import DEFINED, Task

SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")


def general_pairs(documents: Mapping[str, str]) -> list[Task]:
    """A task for every word of these documents (name -> text) that is explained and then used: the sentence asks, and
    the word with its meaning is the only option. First one of every document, then the second ones.
    """
    pairs = {name: list(_pairs(text)) for name, text in documents.items()}
    turns = max(map(len, pairs.values()), default=0)
    return [
        Task(f"{SEARCH}:{name}:{turn}", SEARCH, name, pairs[name][turn][0], (pairs[name][turn][1],))
        for turn in range(turns)
        for name in documents
        if turn < len(pairs[name])
    ]


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """A sentence that uses a word, and the word with its meaning: what follows each definition is an example."""
    found = list(DEFINED.finditer(text))
    for here, following in zip(found, [*found[1:], None], strict=True):
        told = text[here.end() : len(text) if following is None else following.start()]
        sentences = [part.strip() for part in SENTENCE.split(told) if part.strip()[:1].isupper()]
        if sentences:
            yield sentences[0], f"{here[1]}: {here[2].strip()}"
