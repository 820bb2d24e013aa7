"""Which format a table's rows have, judged by the names of its columns and the shape of its cells."""

import difflib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import xxhash

from luthier.collect.formats.check import BadRowError, plain_text
from luthier.collect.formats.shape import Cells, RowFormat
from luthier.errors import UserError
from luthier.records import Example, Label, Origin, Row, Tags

HEAD_ROWS = 1_000
HASHED_ROWS = 1_000
MOST_CHARACTERS = 4 << 20
"""Of the sampled rows of each sort; where rows are long there are fewer, at least one."""
SHOWN_COLUMNS = 30
HALF, ENOUGH = 0.5, 0.9
"""Share of the sampled rows that must have the shape of a format."""

Names = Mapping[str, Sequence[str]]
"""Role -> the column names the user gave for it."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says about the rows."""

    names: Names = field(default_factory=dict)
    format: str = "auto"
    """Name of a format, or `auto`."""
    labels: frozenset[str] = frozenset()
    """The labels that can occur; empty: any."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How one table is to be understood."""

    format: RowFormat
    roles: Mapping[str, str]
    """Role -> column, for the format's roles."""
    named: Mapping[str, str]
    """Column -> the role the user gave it, for columns that only ride along in `Origin.columns`."""
    rare: Mapping[str, tuple[str, ...]]
    """Optional role without a column in most rows -> the names that it may have in others, such as `tools`."""
    columns: frozenset[str]
    """Columns of most rows."""
    labels: frozenset[str]
    """As in `Hints`."""


class NoFormatError(UserError):
    """The rows of a table are examples of no known kind."""


def names_from(columns: Mapping[str, Sequence[str] | str]) -> dict[str, list[str]]:
    """The setting `collect.columns` with every value as a list."""
    return {role: [names] if isinstance(names, str) else list(names) for role, names in columns.items()}


def sample_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows that tell a table's format: the first 1,000, and of the others the 1,000 of smallest hash."""
    source = iter(rows)
    head: list[Row] = []
    size = 0
    for row in islice(source, HEAD_ROWS):
        size += _size(row)
        if not head or size <= MOST_CHARACTERS:
            head.append(row)
    return head + sorted(_smallest(source), key=lambda row: row.line)


def _smallest(rows: Iterable[Row]) -> list[Row]:
    """The rows of smallest hash, never holding more than are wanted."""
    heap: list[tuple[int, int, int, Row]] = []
    size = 0
    for number, row in enumerate(rows):
        rank = -_hash(row)
        if len(heap) == HASHED_ROWS and rank <= heap[0][0]:
            continue
        characters = _size(row)
        size += characters
        heapq.heappush(heap, (rank, -number, characters, row))
        while len(heap) > HASHED_ROWS or (size > MOST_CHARACTERS and len(heap) > 1):
            size -= heapq.heappop(heap)[2]
    return [row for *_, row in heap]


def _size(row: Row) -> int:
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in row.values.values())


def columns_of(sample: Sequence[Row]) -> list[str]:
    """Columns that at least 90 % of the rows have, in order of first appearance."""
    counts: dict[str, int] = {}
    for row in sample:
        for name in row.values:
            counts[name] = counts.get(name, 0) + 1
    return [name for name, count in counts.items() if count >= ENOUGH * len(sample)]


def find_column(wanted: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first wanted name that is a column, if need be with other case or spaces around it."""
    folded: dict[str, str] = {}
    for column in columns:
        folded.setdefault(column.strip().casefold(), column)
    for name in wanted:
        found = name if name in columns else folded.get(name.strip().casefold())
        if found is not None:
            return found
    return None


def detect(table: str, sample: Sequence[Row], *, formats: Sequence[RowFormat], hints: Hints) -> Fit:
    """Choose the format of a table from some of its rows: one that at least 90 % of them have the shape of.

    The user's own column names come first, then the usual ones; a format that makes use of more columns than another
    beats it. UserError names the table, its columns and the setting when several formats fit; NoFormatError when none.
    """
    columns = columns_of(sample)
    tried = [rule for rule in formats if hints.format in {"auto", rule.name}]
    possible = [fit for rule in tried if (fit := _fit(rule, columns, hints)) is not None]
    if not possible:
        raise NoFormatError(_explain_missing(table, columns, tried, hints.names))
    # A format that the user names needs no proof; its rows are judged one by one.
    shares = {fit.format.name: 1.0 if hints.format != "auto" else _share(fit, sample) for fit in possible}
    fits = [fit for fit in possible if shares[fit.format.name] >= ENOUGH]
    own = [fit for fit in fits if all(_is_given(role, fit.roles[role], hints.names) for role in fit.format.required)]
    best = [fit for fit in own or fits if not any(_beats(other, fit) for other in own or fits)]
    if len(best) > 1:
        candidates = " or ".join(f"'{fit.format.name}' ({', '.join(fit.roles.values())})" for fit in best)
        raise UserError(f"{table}: the columns fit {candidates}. Set collect.format or collect.columns.")
    nearly = [fit for fit in possible if HALF <= shares[fit.format.name] < ENOUGH and not own]
    rivals = [fit for fit in nearly if _beats(fit, best[0])] if best else possible
    if rivals:
        nearest = max(rivals, key=lambda fit: shares[fit.format.name])
        raise NoFormatError(_explain_mixed(table, nearest, sample))
    return best[0]


def make_example(row: Row, fit: Fit, *, file: str) -> Example:
    """The row as an example, its other columns as text; BadRowError with the reason."""
    roles = {**fit.roles, **_rare_roles(row, fit)}
    used = {*roles.values(), *fit.named}
    others = {name: plain_text(value) for name, value in row.values.items() if name not in used}
    others |= {role: plain_text(row.values.get(column)) for column, role in fit.named.items()}
    cells = Cells(row=row.values, columns=roles)
    example = fit.format.make(cells, Origin(at=row.at, file=file, line=row.line, columns=others))
    if fit.labels:
        _check_labels(example, fit.labels)
    return example


def labels_of(example: Example) -> list[str]:
    """The labels of a text or of the entities in it; none for other kinds."""
    match example:
        case Label():
            return [example.label, *example.others]
        case Tags():
            return [entity.label for entity in example.entities]
        case _:
            return []


def check_names(names: Names, seen: Sequence[str]) -> None:
    """UserError if a role of `collect.columns` names no column of any table: most likely a typing error."""
    for role, wanted in names.items():
        if find_column(wanted, seen) is None:
            near = difflib.get_close_matches(wanted[0] if wanted else role, seen, n=1, cutoff=0.6)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            quoted = ", ".join(f"'{name}'" for name in wanted)
            raise UserError(f"collect.columns.{role}: no file has a column {quoted}. {hint}Columns: {', '.join(seen)}")


def _check_labels(example: Example, known: frozenset[str]) -> None:
    strange = [label for label in labels_of(example) if label not in known]
    if strange:
        near = difflib.get_close_matches(strange[0], sorted(known), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadRowError(f"label '{strange[0]}' is not one of collect.labels{hint}")


def _fit(rule: RowFormat, columns: Sequence[str], hints: Hints) -> Fit | None:
    names = hints.names
    roles: dict[str, str] = {}
    for role, aliases in [*rule.required.items(), *rule.optional.items()]:
        free = [column for column in columns if column not in roles.values()]
        column = find_column([*names.get(role, ()), *aliases], free)
        if column is not None:
            roles[role] = column
    if not all(role in roles for role in rule.required):
        return None
    found = {role: find_column(given, columns) for role, given in names.items() if role not in roles}
    named = {column: role for role, column in found.items() if column is not None and column not in roles.values()}
    rare = {role: (*names.get(role, ()), *aliases) for role, aliases in rule.optional.items() if role not in roles}
    return Fit(rule, roles=roles, named=named, rare=rare, columns=frozenset(columns), labels=hints.labels)


def _rare_roles(row: Row, fit: Fit) -> dict[str, str]:
    """Optional role -> column, for columns that this row has and most have not."""
    own = [column for column in row.values if column not in fit.columns]
    found = {role: find_column(wanted, own) for role, wanted in fit.rare.items()} if own else {}
    return {role: column for role, column in found.items() if column is not None}


def _beats(one: Fit, other: Fit) -> bool:
    """True if `one` makes use of everything that `other` does, and more."""
    if one.format.is_fallback != other.format.is_fallback:
        return other.format.is_fallback
    return set(other.roles.values()) < set(one.roles.values())


def _share(fit: Fit, sample: Sequence[Row]) -> float:
    return sum(_has_shape(fit, row) for row in sample) / len(sample)


def _has_shape(fit: Fit, row: Row) -> bool:
    cells = Cells(row=row.values, columns=fit.roles)
    return all(fit.roles[role] in row.values for role in fit.format.required) and fit.format.looks(cells)


def _hash(row: Row) -> int:
    return xxhash.xxh3_64_intdigest(str(row.line).encode())


def _is_given(role: str, column: str, names: Names) -> bool:
    return find_column(names.get(role, ()), [column]) is not None


def _explain_mixed(table: str, fit: Fit, sample: Sequence[Row]) -> str:
    other = next(row for row in sample if not _has_shape(fit, row))
    name = fit.format.name
    return (
        f"{table}: {_share(fit, sample):.0%} of the rows looked at have the shape of format '{name}', and a format is "
        f"found by {ENOUGH:.0%}; the first other row is {other.at}. Give each format a file of its own, or set "
        f"collect.format: {name} to refuse the other rows."
    )


def _explain_missing(table: str, columns: Sequence[str], tried: Sequence[RowFormat], names: Names) -> str:
    shown = ", ".join(f"'{name}'" for name in columns[:SHOWN_COLUMNS]) or "none that 90 % of the rows share"
    needs = "; ".join(f"{rule.name}: {' + '.join(aliases[0] for aliases in rule.required.values())}" for rule in tried)
    roles = tried[0].required if len(tried) == 1 else {"question": (), "answer": ()}
    missing = [role for role in roles if find_column([*names.get(role, ()), role], columns) is None] or list(roles)
    example = ", ".join(f"{role}: NAME" for role in missing)
    return (
        f"{table}: missing column. Found: {shown}. Known formats need: {needs}. "
        f"Say which column is which with collect.columns: {{{example}}}, or take the file out of collect.sources."
    )
