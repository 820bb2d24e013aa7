"""Which format a table's rows have, judged by the names of its columns."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from luthier.collect.formats.check import plain_text
from luthier.collect.formats.shape import RowFormat
from luthier.errors import UserError
from luthier.records import Example, Origin, Row

HEAD_ROWS = 1_000
ENOUGH = 0.9
"""Share of the head rows that must have every column of a format."""

Names = Mapping[str, Sequence[str]]
"""Role -> the column names the user gave for it."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How one table is to be understood."""

    format: RowFormat
    roles: Mapping[str, str]
    """Role -> column, for the format's roles."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Column -> the role the user gave it, for columns that only ride along in `Origin.columns`."""


def names_from(columns: Mapping[str, Sequence[str] | str]) -> dict[str, list[str]]:
    """The setting `collect.columns` with every value as a list."""
    return {role: [names] if isinstance(names, str) else list(names) for role, names in columns.items()}


def columns_of(head: Sequence[Row]) -> list[str]:
    """Columns that at least 90 % of the rows have, in order of first appearance."""
    counts: dict[str, int] = {}
    for row in head:
        for name in row.values:
            counts[name] = counts.get(name, 0) + 1
    return [name for name, count in counts.items() if count >= ENOUGH * len(head)]


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


def detect(table: str, head: Sequence[Row], *, formats: Sequence[RowFormat], names: Names, wanted: str) -> Fit:
    """Choose the format of a table from its first rows.

    The user's own column names come first, then the usual ones. `wanted` is a format's name or `auto`.
    UserError names the table, its columns and the setting when no format fits or several do.
    """
    columns = columns_of(head)
    tried = [rule for rule in formats if wanted in {"auto", rule.name}]
    fits = [fit for rule in tried if (fit := _fit(rule, columns, names)) is not None]
    own = [fit for fit in fits if all(_is_given(role, fit.roles[role], names) for role in fit.format.required)]
    best = own or [fit for fit in fits if not fit.format.is_fallback] or fits
    best = [fit for fit in best if not fit.format.is_fallback] or best
    if len(best) == 1:
        return best[0]
    if best:
        candidates = " or ".join(f"'{fit.format.name}' ({', '.join(fit.roles.values())})" for fit in best)
        raise UserError(f"{table}: the columns fit {candidates}. Set collect.format or collect.columns.")
    raise UserError(_explain_missing(table, columns, tried, names))


def make_example(row: Row, fit: Fit, *, file: str) -> Example:
    """The row as an example, its other columns as text; BadRowError with the reason."""
    values = {role: row.values.get(column) for role, column in fit.roles.items()}
    used = {*fit.roles.values(), *fit.named}
    others = {name: plain_text(value) for name, value in row.values.items() if name not in used}
    others |= {role: plain_text(row.values.get(column)) for column, role in fit.named.items()}
    return fit.format.make(values, Origin(at=row.at, file=file, line=row.line, columns=others))


def check_names(names: Names, seen: Sequence[str]) -> None:
    """UserError if a role of `collect.columns` names no column of any table: most likely a typing error."""
    for role, wanted in names.items():
        if find_column(wanted, seen) is None:
            near = difflib.get_close_matches(wanted[0] if wanted else role, seen, n=1, cutoff=0.6)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            quoted = ", ".join(f"'{name}'" for name in wanted)
            raise UserError(f"collect.columns.{role}: no file has a column {quoted}. {hint}Columns: {', '.join(seen)}")


def _fit(rule: RowFormat, columns: Sequence[str], names: Names) -> Fit | None:
    roles: dict[str, str] = {}
    for role, aliases in [*rule.required.items(), *rule.optional.items()]:
        column = find_column(_names_of(role, rule, names, aliases), columns)
        if column is not None:
            roles[role] = column
    if not all(role in roles for role in rule.required) or len(set(roles.values())) < len(roles):
        return None
    free = {role: find_column(given, columns) for role, given in names.items() if role not in roles}
    named = {column: role for role, column in free.items() if column is not None and column not in roles.values()}
    return Fit(format=rule, roles=roles, named=named)


def _names_of(role: str, rule: RowFormat, names: Names, aliases: Sequence[str]) -> list[str]:
    # Names the user gave for a question or an answer make a question-and-answer table, not an Alpaca one.
    given = [] if rule.name in {"alpaca", "prompt"} else list(names.get(role, ()))
    return [*given, *aliases]


def _is_given(role: str, column: str, names: Names) -> bool:
    return find_column(names.get(role, ()), [column]) is not None


def _explain_missing(table: str, columns: Sequence[str], tried: Sequence[RowFormat], names: Names) -> str:
    shown = ", ".join(f"'{name}'" for name in columns) or "none that 90 % of the rows share"
    needs = "; ".join(f"{rule.name}: {' + '.join(aliases[0] for aliases in rule.required.values())}" for rule in tried)
    roles = tried[0].required if len(tried) == 1 else {"question": (), "answer": ()}
    missing = [role for role in roles if find_column([*names.get(role, ()), role], columns) is None] or list(roles)
    example = ", ".join(f"{role}: NAME" for role in missing)
    return (
        f"{table}: missing column. Found: {shown}. Known formats need: {needs}. "
        f"Say which column is which with collect.columns: {{{example}}}, or take the file out of collect.sources."
    )
