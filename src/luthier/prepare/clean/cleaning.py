"""Clean texts: mend them, cut boilerplate, and put what is broken into quarantine."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from luthier.prepare.clean.answers import Endings, echoes
from luthier.prepare.clean.boilerplate import Boilerplate, boilerplate_spans, find_boilerplate
from luthier.prepare.clean.language import UNKNOWN, check_languages, language_of
from luthier.prepare.clean.offsets import OffsetMap, stripped, without
from luthier.prepare.clean.quarantine import (
    Fault,
    Wanted,
    apply,
    held_back,
    in_order,
    quarantine,
    source_bytes,
)
from luthier.prepare.clean.repair import mend, repair_text
from luthier.prepare.clean.rules import letters, missing_part, repeated_share, says_the_same, unreadable_share
from luthier.prepare.clean.texts import Applied, Cleaned, CleanInput, Dropped, Repeated
from luthier.prepare.clean.thresholds import Rule, Thresholds
from luthier.records import Listener, Tick, nobody_listens

EVERY = 500
"""Rows between two ticks."""
SAME: Rule = "the answer repeats the question"


@dataclass(frozen=True, slots=True)
class Judged:
    """A mended text and what is wrong with it, as far as it can be told without the others."""

    row: CleanInput
    faults: tuple[Fault, ...]
    language: str
    offsets: OffsetMap | None = None
    """From its text to the given one; None if nothing changed."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """All texts after boilerplate was cut, in order."""

    texts: list[Judged]
    applied: list[Applied]
    repeated: list[Repeated]


def clean_texts(texts: Sequence[CleanInput], *, thresholds: Thresholds, listener: Listener = nobody_listens) -> Cleaned:
    """Mend, cut and judge texts; `kept` and `dropped` together are the given rows, whatever their order.

    Raises UserError for a language that cannot be told. Numbers and meanings as in `CleanConfig`.
    """
    judged = []
    for number, one in enumerate(texts):
        if number % EVERY == 0:
            listener(Tick("prepare", number, len(texts), "cleaning"))
        judged.append(mend_and_judge(one, thresholds))
    return settle(judged, thresholds)


def mend_and_judge(given: CleanInput, thresholds: Thresholds) -> Judged:
    """One text mended, then judged."""
    answer = None if given.answer is None else repair_text(given.answer)
    row = dataclasses.replace(given, answer=answer)
    mended = mend(given.text)
    if mended.text == given.text:
        return judge(row, thresholds)
    row, offsets = _edited(row, None, mended.text, mended.offsets)
    return dataclasses.replace(judge(row, thresholds), offsets=offsets)


def judge(row: CleanInput, thresholds: Thresholds) -> Judged:
    """One mended text judged; its faults are in the order of `Rule`."""
    told = language_of(row, characters=thresholds.language_characters)
    found = [*_text_faults(row, thresholds), *_language_faults(told, thresholds)]
    if row.answer is not None and row.is_written:
        found += _answer_faults(row, row.answer, thresholds)
    return Judged(row, tuple(found), _main_language(told, thresholds))


def settle(texts: Sequence[Judged], thresholds: Thresholds) -> Cleaned:
    """What needs all texts: boilerplate, how answers end here, and that no rule takes more than its share.

    Raises UserError for a language that cannot be told.
    """
    assert len({one.row.id for one in texts}) == len(texts), "row ids are not unique"
    check_languages(thresholds.languages or ())
    cut = _cut_boilerplate(texts, thresholds)
    missing = [found for found in (_missing(one.row) for one in cut.texts) if found is not None]
    lost = {one.id for one in missing}
    usable = [one for one in cut.texts if one.row.id not in lost]
    rows = [one.row for one in usable]
    found = quarantine(rows, faults=_faults(usable), thresholds=thresholds)
    gone = lost | {one.id for one in found.dropped}
    languages = Counter(one.language for one in usable)
    return Cleaned(
        kept=[one for one in rows if one.id not in gone],
        dropped=[*missing, *found.dropped],
        edits={one.row.id: one.offsets for one in usable if one.offsets is not None and one.row.id not in gone},
        applied=in_order([*cut.applied, *found.applied]),
        boilerplate=cut.repeated,
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
    )


def _faults(texts: Sequence[Judged]) -> Mapping[str, Sequence[Fault]]:
    """Faults by row id, those included that show only beside the other answers."""
    endings = Endings([one.row for one in texts])
    faults: dict[str, Sequence[Fault]] = {}
    for one in texts:
        found = list(one.faults)
        if one.row.is_written and one.row.answer is not None and all(fault.rule != SAME for fault in found):
            cut_off = endings.cut_off(one.row)
            found += [Fault("the answer is cut off", cut_off)] if cut_off else []
        if found:
            faults[one.row.id] = found
    return faults


def _edited(row: CleanInput, earlier: OffsetMap | None, text: str, offsets: OffsetMap) -> tuple[CleanInput, OffsetMap]:
    """A row with an edited text, and the map from there to the given text."""
    spans = ((offsets.cleaned_offset(start), offsets.cleaned_offset(end)) for start, end in row.fixed)
    fixed = tuple(span for span in spans if span[0] < span[1])
    after = offsets if earlier is None else offsets.after(earlier)
    return dataclasses.replace(row, text=text, fixed=fixed), after


def _cut_boilerplate(texts: Sequence[Judged], thresholds: Thresholds) -> _Cut:
    """Cut what repeats in the files of a source, unless the rule wants too much of it; what was cut is judged again."""
    total = source_bytes(one.row for one in texts)
    documents: dict[str, list[Judged]] = defaultdict(list)
    for one in texts:
        if one.row.answer is None:
            documents[one.row.source].append(one)
    cut: dict[str, Judged] = {}
    applied, repeated = [], []
    for source in sorted(documents):
        found = find_boilerplate(
            [one.row for one in documents[source]],
            share=thresholds.boilerplate_share,
            min_files=thresholds.boilerplate_files,
        )
        shorter = list(_without_boilerplate(documents[source], found))
        if not shorter:
            continue
        repeated += found.shown
        removed = sum(old.row.size - row.size for old, row, _ in shorter)
        scored = [(old.row, 1 - len(row.text) / len(old.row.text)) for old, row, _ in shorter]
        wanted = Wanted("boilerplate", source, scored, share=removed / max(1, total[source]))
        held = held_back(wanted, rows=len(texts), thresholds=thresholds)
        applied.append(apply(wanted, held=held, taken=0 if held else len(shorter), thresholds=thresholds))
        for _, row, offsets in shorter if held is None else ():
            cut[row.id] = dataclasses.replace(judge(row, thresholds), offsets=offsets)
    return _Cut([cut.get(one.row.id, one) for one in texts], applied, repeated)


def _without_boilerplate(
    documents: Sequence[Judged], found: Boilerplate
) -> Iterator[tuple[Judged, CleanInput, OffsetMap]]:
    """Every document that boilerplate makes shorter, before and after."""
    for one in documents:
        spans = boilerplate_spans(one.row, keys=found.keys)
        if spans:
            shorter, offsets = _edited(one.row, one.offsets, *without(one.row.text, spans))
            yield one, *_edited(shorter, offsets, *stripped(shorter.text))


def _missing(one: CleanInput) -> Dropped | None:
    """Rows without a text or an answer can be learnt from under no setting, so no cap holds them."""
    reason = missing_part(one.text, one.answer) if one.answer is not None else None
    return Dropped(one.id, reason, score=1.0) if reason else None


def _text_faults(one: CleanInput, thresholds: Thresholds) -> Iterator[Fault]:
    count = letters(one.text, enough=thresholds.min_letters)
    if one.answer is None and count < thresholds.min_letters:
        yield Fault("empty", float(count))
    parts = [one.text, one.answer or ""]
    unreadable = max(map(unreadable_share, parts))
    if unreadable > thresholds.unreadable:
        yield Fault("unreadable", unreadable)
    repeated = max(repeated_share(part, words=thresholds.repeated_words) for part in parts)
    if repeated >= thresholds.repeated:
        yield Fault("loops", repeated)


def _language_faults(told: Sequence[tuple[str, float]], thresholds: Thresholds) -> Iterator[Fault]:
    wanted = thresholds.languages
    if wanted is None:
        return
    for language, probability in told:
        if language not in {*wanted, UNKNOWN} and probability >= thresholds.language_probability:
            yield Fault("language", probability, note=language)
            return


def _answer_faults(one: CleanInput, answer: str, thresholds: Thresholds) -> Iterator[Fault]:
    if says_the_same(one.text, answer):
        yield Fault(SAME, 1.0)
        return
    echo = echoes(one.text, answer, characters=thresholds.echo_characters)
    if echo:
        yield Fault("the question is inside the answer", echo)


def _main_language(told: Sequence[tuple[str, float]], thresholds: Thresholds) -> str:
    sure = [language for language, probability in told if probability >= thresholds.language_probability]
    return sure[0] if sure else UNKNOWN
