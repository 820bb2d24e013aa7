"""When rows came to be, for an exam on the newest of them."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from luthier.errors import UserError
from luthier.prepare.candidate import Candidate
from luthier.prepare.split.groups import Group


def moments_of(candidates: Sequence[Candidate], *, column: str) -> dict[str, float]:
    """Candidate id -> the number in a column, or the seconds of its date since 1970; the oldest where there is none.

    Dates are ISO 8601 or those of mail, in UTC where they name no zone. UserError if no row has one.
    """
    moments = {}
    for one in candidates:
        known = {name.strip().casefold(): value for name, value in one.example.origin.columns.items()}
        moments[one.id] = _moment(known.get(column.strip().casefold(), ""))
    if not any(math.isfinite(moment) for moment in moments.values()):
        columns = sorted({name for one in candidates for name in one.example.origin.columns})
        raise UserError(
            f"prepare.split.newest: no row has a date or a number in a column '{column}'. "
            f"Columns found: {', '.join(columns) or 'none'}. Dates are written as 2026-11-23."
        )
    return moments


def places_by_age(groups: Sequence[Group], moments: Mapping[str, float]) -> dict[str, float]:
    """Group name -> share of the groups, 0 to 1, that are newer. A group is as old as its oldest row."""
    age = {group.name: min(moments[member] for member in group.members) for group in groups}
    ordered = sorted(age, key=lambda name: (-age[name], name))
    return {name: place / len(ordered) for place, name in enumerate(ordered)}


def _moment(value: str) -> float:
    for read in (float, _iso, _of_mail):
        try:
            moment = read(value.strip())
        except (ValueError, TypeError, OverflowError):
            continue
        return moment if math.isfinite(moment) else -math.inf
    return -math.inf


def _iso(value: str) -> float:
    return _in_utc(datetime.fromisoformat(value))


def _of_mail(value: str) -> float:
    return _in_utc(parsedate_to_datetime(value))


def _in_utc(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
