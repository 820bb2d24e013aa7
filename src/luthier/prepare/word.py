"""Examples to rows of ids, and what happens to those that are too long."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.prepare.candidate import Candidate
from luthier.prepare.reading import TOO_LONG, Desk, Frame, Reading
from luthier.prepare.wording import answers, chat, graded, label, tags, text, texts
from luthier.records import Chat, Extraction, Graded, Label, Listener, Pair, Preference, Rating, Tags, Text, Tick

MOST_TOUCHED = 0.02
"""Share of rows that may be shortened or left out before somebody must say how."""
SHOWN = 5


class _Shared:
    """Holds equal ids and equal masks once: a token of a long corpus takes 8 bytes in place of 44."""

    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._masks: dict[tuple[bool, ...], tuple[bool, ...]] = {}

    def of(self, one: Reading) -> Reading:
        """An equal reading."""
        row = one.row
        ids = tuple(map(self._ids.setdefault, row.ids, row.ids))
        trained = self._masks.setdefault(row.trained, row.trained)
        return dataclasses.replace(one, row=dataclasses.replace(row, ids=ids, trained=trained))


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that can be read, and what cannot."""

    kept: list[Reading]
    left: dict[str, list[Candidate]]
    """Reason -> candidates, one of them as often as rows of it left."""


def word(
    candidates: Sequence[Candidate], *, group_of: dict[str, str], wording: Wording, frame: Frame, listener: Listener
) -> Readings:
    """Word every candidate; UserError for a row that must not be cut, naming its place."""
    kept: list[Reading] = []
    left: dict[str, list[Candidate]] = defaultdict(list)
    shared = _Shared()
    for done, one in enumerate(candidates):
        if done % 200 == 0:
            listener(Tick("prepare", done, len(candidates), "wording"))
        try:
            found = _read(Desk(one, group_of[one.id], wording, frame))
        except UserError as error:
            raise UserError(f"{one.at}: {error}") from None
        for reading in found:
            if isinstance(reading, Reading):
                kept.append(shared.of(reading))
            else:
                left[reading].append(one)
    listener(Tick("prepare", len(candidates), len(candidates), "wording"))
    _check_lengths(kept, left[TOO_LONG], frame)
    return Readings(kept=kept, left={reason: gone for reason, gone in left.items() if gone})


def _check_lengths(kept: Sequence[Reading], too_long: Sequence[Candidate], frame: Frame) -> None:
    """R6: nothing is cut or left out against what was asked for, nor much of it if nothing was."""
    touched = [*(one.candidate for one in kept if one.shortened), *too_long]
    rows = len(kept) + len(too_long)
    allowed = MOST_TOUCHED * rows if frame.over_length is None else 0 if frame.over_length == "stop" else rows
    if len(touched) > allowed:
        places = "\n".join(one.at for one in touched[:SHOWN])
        raise UserError(
            f"receipt R6 (length): {len(touched)} of {rows} rows are longer than {frame.limit:,} tokens, the first "
            f"at:\n{places}\n"
            "Set prepare.over_length to 'shorten' or 'drop', or raise prepare.max_length if the base can read more."
        )


def _read(desk: Desk) -> Sequence[Reading | str]:
    """The rows of one candidate, or why there is none: several windows of a text, or answers of a conversation."""
    match desk.one.example:
        case Chat() as conversation:
            return chat.read(conversation, desk)
        case Label() as labelled:
            return label.read(labelled, desk)
        case Text() as raw:
            return text.read(raw, desk)
        case Preference() as compared:
            return answers.read_preference(compared, desk)
        case Rating() as rated:
            return answers.read_rating(rated, desk)
        case Graded() as asked_for:
            return graded.read(asked_for, desk)
        case Tags() as tagged:
            return tags.read(tagged, desk)
        case Extraction() as asked:
            return texts.read_extraction(asked, desk)
        case Pair() as pair:
            return texts.read_pair(pair, desk)
