"""Clean texts: mend them, cut boilerplate, and put what is broken into quarantine."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
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
from luthier.prepare.clean.thresholds import Thresholds
from luthier.records import Listener, Tick, nobody_listens

EVERY = 500
"""Rows between two ticks."""


@dataclass(frozen=True, slots=True)
class _Edited:
    """A row on its way, and the map from its text to the given one; None if nothing changed."""

    row: CleanInput
    offsets: OffsetMap | None


@dataclass(frozen=True, slots=True)
class _Cut:
    """All rows after boilerplate was cut, in order."""

    rows: list[_Edited]
    applied: list[Applied]
    repeated: list[Repeated]


def clean_texts(texts: Sequence[CleanInput], *, thresholds: Thresholds, listener: Listener = nobody_listens) -> Cleaned:
    """Mend, cut and judge texts; `kept` and `dropped` together are the given rows, whatever their order.

    Raises UserError for a language that cannot be told. Numbers and meanings as in `CleanConfig`.
    """
    assert len({one.id for one in texts}) == len(texts), "row ids are not unique"
    check_languages(thresholds.languages or ())
    edited = list(_mended(texts, listener))
    mended = {
        "texts": sum(one.row.text != given.text for one, given in zip(edited, texts, strict=True)),
        "answers": sum(one.row.answer != given.answer for one, given in zip(edited, texts, strict=True)),
    }
    cut = _cut_boilerplate(edited, thresholds)
    rows = [one.row for one in cut.rows]
    missing = [found for found in map(_missing, rows) if found is not None]
    lost = {one.id for one in missing}
    usable = [one for one in rows if one.id not in lost]
    languages: Counter[str] = Counter()
    faults = dict(_faults(usable, thresholds, languages, listener))
    found = quarantine(usable, faults=faults, thresholds=thresholds)
    gone = lost | {one.id for one in found.dropped}
    return Cleaned(
        kept=[one for one in usable if one.id not in gone],
        dropped=[*missing, *found.dropped],
        edits={one.row.id: one.offsets for one in cut.rows if one.offsets is not None and one.row.id not in gone},
        mended=mended,
        applied=in_order([*cut.applied, *found.applied]),
        boilerplate=cut.repeated,
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
    )


def _mended(texts: Sequence[CleanInput], listener: Listener) -> Iterator[_Edited]:
    for number, one in enumerate(texts):
        if number % EVERY == 0:
            listener(Tick("prepare", number, len(texts), "mending"))
        answer = None if one.answer is None else repair_text(one.answer)
        mended = mend(one.text)
        if mended.text == one.text:
            yield _Edited(dataclasses.replace(one, answer=answer), None)
        else:
            yield _edit(_Edited(dataclasses.replace(one, answer=answer), None), mended.text, mended.offsets)


def _edit(one: _Edited, text: str, offsets: OffsetMap) -> _Edited:
    spans = ((offsets.cleaned_offset(start), offsets.cleaned_offset(end)) for start, end in one.row.fixed)
    row = dataclasses.replace(one.row, text=text, fixed=tuple(span for span in spans if span[0] < span[1]))
    return _Edited(row, offsets if one.offsets is None else offsets.after(one.offsets))


def _cut_boilerplate(edited: Sequence[_Edited], thresholds: Thresholds) -> _Cut:
    """Cut what repeats in the files of a source, unless the rule wants too much of it."""
    total = source_bytes(one.row for one in edited)
    documents: dict[str, list[_Edited]] = defaultdict(list)
    for one in edited:
        if one.row.answer is None:
            documents[one.row.source].append(one)
    cut: dict[str, _Edited] = {}
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
        removed = sum(old.row.size - new.row.size for old, new in shorter)
        scored = [(old.row, 1 - len(new.row.text) / len(old.row.text)) for old, new in shorter]
        wanted = Wanted("boilerplate", source, scored, share=removed / max(1, total[source]))
        held = held_back(wanted, rows=len(edited), thresholds=thresholds)
        applied.append(apply(wanted, held=held, taken=0 if held else len(shorter), thresholds=thresholds))
        cut.update({new.row.id: new for _, new in shorter} if held is None else {})
    return _Cut([cut.get(one.row.id, one) for one in edited], applied, repeated)


def _without_boilerplate(documents: Sequence[_Edited], found: Boilerplate) -> Iterator[tuple[_Edited, _Edited]]:
    """Every document that boilerplate makes shorter, before and after."""
    for one in documents:
        spans = boilerplate_spans(one.row, keys=found.keys)
        if spans:
            shorter = _edit(one, *without(one.row.text, spans))
            yield one, _edit(shorter, *stripped(shorter.row.text))


def _missing(one: CleanInput) -> Dropped | None:
    """Rows without a text or an answer can be learnt from under no setting, so no cap holds them."""
    reason = missing_part(one.text, one.answer) if one.answer is not None else None
    return Dropped(one.id, reason, score=1.0) if reason else None


def _faults(
    texts: Sequence[CleanInput], thresholds: Thresholds, languages: Counter[str], listener: Listener
) -> Iterator[tuple[str, list[Fault]]]:
    endings = Endings(texts)
    for number, one in enumerate(texts):
        if number % EVERY == 0:
            listener(Tick("prepare", number, len(texts), "cleaning"))
        told = language_of(one, characters=thresholds.language_characters)
        languages[_main_language(told, thresholds)] += 1
        found = [*_text_faults(one, thresholds), *_language_faults(told, thresholds)]
        if one.answer is not None:
            found += _answer_faults(one, one.answer, thresholds, endings)
        if found:
            yield one.id, found


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


def _answer_faults(one: CleanInput, answer: str, thresholds: Thresholds, endings: Endings) -> Iterator[Fault]:
    if says_the_same(one.text, answer):
        yield Fault("the answer repeats the question", 1.0)
        return
    echo = echoes(one.text, answer, characters=thresholds.echo_characters)
    if echo:
        yield Fault("the question is inside the answer", echo)
    cut_off = endings.cut_off(one)
    if cut_off:
        yield Fault("the answer is cut off", cut_off)


def _main_language(told: Sequence[tuple[str, float]], thresholds: Thresholds) -> str:
    sure = [language for language, probability in told if probability >= thresholds.language_probability]
    return sure[0] if sure else UNKNOWN
