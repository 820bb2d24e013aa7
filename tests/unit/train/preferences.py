"""Rows of better and worse answers."""

from luthier.models.chat import Wording
from luthier.records import Message, Worded

ANSWERS = ("no", "yes, it is", "it may well be so")


def answer_ids(wording: Wording, question: str, answer: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    chat = wording.chat_ids([Message("user", question), Message("assistant", answer)])
    return chat.ids, chat.trained


def pair_row(wording: Wording, place: int, question: str, answers: tuple[str, str]) -> Worded:
    """A question with the better answer, then with the worse."""
    (first, learnt), (second, others) = (answer_ids(wording, question, answer) for answer in answers)
    ids = first + second
    about = (f"{place:016x}", f"g{place}", f"a.csv:{place}")
    return Worded(*about, ids, learnt + others, answer_bytes=9, ends=(len(first), len(ids)))


def rated_row(wording: Wording, place: int, question: str, answer: str, *, good: bool) -> Worded:
    """A question with one answer that a person called good or bad."""
    ids, learnt = answer_ids(wording, question, answer)
    return Worded(f"{place:016x}", f"g{place}", f"a.csv:{place}", ids, learnt, answer_bytes=9, score=float(good))


def question_of(place: int) -> str:
    return f"is {place} " + "odd " * (place % 4)


def pair_rows(wording: Wording, count: int, *, first: int = 0) -> list[Worded]:
    """Pairs of unequal length, of which every second has the longer answer first."""
    rows = []
    for place in range(first, first + count):
        answers = ANSWERS[place % 3], ANSWERS[(place + 1) % 3]
        rows.append(pair_row(wording, place, question_of(place), answers))
    return rows


def rated_rows(wording: Wording, count: int, *, first: int = 0) -> list[Worded]:
    """Rated answers, two of three of them good."""
    return [
        rated_row(wording, place, question_of(place), ANSWERS[place % 3], good=place % 3 > 0)
        for place in range(first, first + count)
    ]
