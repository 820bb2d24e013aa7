"""What was asked and answered in a row of ids: a conversation's wording, undone."""

import re
from dataclasses import dataclass

from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.records import Message, Worded

SYSTEM, ASKED = "\uf8e2", "\uf8e3"
"""Private-use characters that stand for what is not known yet."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The question that a conversation begins with, and its answer."""

    system: str | None
    asked: str
    answered: str

    @property
    def turns(self) -> tuple[Message, Message]:
        """Question and answer as turns of which nothing is learnt."""
        return Message("user", self.asked, weight=0), Message("assistant", self.answered, weight=0)


class ExchangeReader:
    """Reads worded conversations of one template."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        asked = Message("user", ASKED)
        frames = [self._frame(turns) for turns in ((Message("system", SYSTEM), asked), (asked,))]
        self._frames = [frame for frame in frames if frame is not None]

    def read(self, row: Worded) -> Exchange | None:
        """The first exchange of a row, or None if it begins in another way, as with tools or with several questions.

        Only what `is_true` is what the row says: a text may look like the template's own.
        """
        start, end = _first_answer(row)
        if not start:
            return None
        prompt = self._wording.tokenizer.decode(list(row.ids[:start]), skip_special_tokens=False)
        for frame in self._frames:
            found = frame.fullmatch(prompt)
            if found is not None:
                *system, asked = found.groups()
                return Exchange(system[0] if system else None, asked, self._wording.decode(row.ids[start:end]))
        return None

    def is_true(self, exchange: Exchange, row: Worded) -> bool:
        """Whether the exchange, worded again, is what the row begins with, id by id."""
        system = [Message("system", exchange.system)] if exchange.system is not None else []
        try:
            worded = self._wording.chat_ids([*system, *exchange.turns])
        except UserError:
            return False
        return worded.ids == row.ids[: _first_answer(row)[1]]

    def _frame(self, turns: tuple[Message, ...]) -> re.Pattern[str] | None:
        """What the template writes around the contents of these turns; None if it refuses them."""
        try:
            text = self._wording.render(turns, add_generation_prompt=True)
        except UserError:
            return None
        pieces = re.split(f"[{SYSTEM}{ASKED}]", text)
        return re.compile("(.*?)".join(map(re.escape, pieces)), re.DOTALL) if len(pieces) == len(turns) + 1 else None


def _first_answer(row: Worded) -> tuple[int, int]:
    """Ids [start, end) of the first stretch that is learnt; (0, 0) if none is."""
    if True not in row.trained:
        return 0, 0
    start = row.trained.index(True)
    rest = row.trained[start:]
    return start, start + (rest.index(False) if False in rest else len(rest))
