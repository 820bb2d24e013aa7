"""General English text, for telling whether a tuned model lost what the base could do.

From WordNet 3.0, see LICENSE beside it. Documents are fixed: 240 are examined, 80 are for validation.
"""

from dataclasses import dataclass
from importlib.resources import files

import orjson

from luthier.artifacts.canonical import hash_order
from luthier.models.chat import Wording
from luthier.prepare.general.pairs import general_pairs
from luthier.prepare.general.tasks import Task, general_tasks
from luthier.records import Worded

EXAMINED = 240


@dataclass(frozen=True, slots=True)
class General:
    """Worded documents of both parts, and tasks."""

    exam: list[Worded]
    validation: list[Worded]
    tasks: list[Task]
    """Of every suite; the exam's only."""


def general_text(wording: Wording, *, limit: int) -> General:
    """Word every document: all tokens but the first are counted, `answer_bytes` are its UTF-8 bytes.

    A document longer than `limit` tokens (a base with a tiny window) is cut, and its bytes are those of what is left.
    """
    rows = [_worded(name, text, wording, limit) for name, text in _documents().items()]
    return General(exam=rows[:EXAMINED], validation=rows[EXAMINED:], tasks=general_tasks())


def general_search() -> General:
    """What an embedder is asked: pairs of the documents that are examined, and no text."""
    examined = dict(list(_documents().items())[:EXAMINED])
    return General(exam=[], validation=[], tasks=general_pairs(examined))


def _documents() -> dict[str, str]:
    """Name -> text, in order of the hashes of the names."""
    lines = files("luthier.prepare.general").joinpath("wordnet.jsonl").read_bytes().splitlines()
    found = {row["id"]: row["text"] for row in map(orjson.loads, lines)}
    return {name: found[name] for name in sorted(found, key=hash_order)}


def _worded(name: str, text: str, wording: Wording, limit: int) -> Worded:
    ids = wording.document_ids(text)
    while len(ids) > limit:
        text = text[: len(text) * limit // len(ids)].rstrip()
        ids = wording.document_ids(text)
    return wording.document_row(text, row_id=name, group=name, at=f"general:{name}")
