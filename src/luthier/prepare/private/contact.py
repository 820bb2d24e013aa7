"""How to reach a person: e-mail addresses and telephone numbers."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from luthier.errors import UserError
from luthier.prepare.private.context import context, is_named_otherwise
from luthier.prepare.private.numbers import IBAN_HEAD, RUN
from luthier.prepare.private.view import Found, View

LOCAL = re.compile(r"[\w.%+'&~-]{1,64}$")
DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<top>[^\W\d_]{2,24}|xn--[a-z0-9-]{2,24})(?![\w@])")
NOT_A_DOMAIN = re.compile(
    "service|socket|timer|target|mount|automount|swap|path|slice|scope|device|png|jpe?g|gif|svg|webp|css|[jt]s|py|rb|html?"
    "|md|txt|json|ya?ml|toml|ini|cfg|conf|log|so|dll|exe|jar|class|local|localdomain|internal|lan"
)
"""What stands after the last dot of unit names, files and names inside a network."""
NOT_A_PERSON = frozenset({"git", "hg", "svn"})

INTERNATIONAL = re.compile(rb"\+[0-9](?:[ .()/\-]{0,2}[0-9]){6,14}(?![0-9])")
ABROAD = re.compile(r"00[1-9]\d{0,2}[ -]")
QUERY = re.compile(r"[?&][\w.-]+=$")
GROUP_END = re.compile(r"[ .()/-]+\d+$")
PHONE = context(
    "tel|mobile|mob|cell|fax|whatsapp|sms|hotline|landline|handy|mobil|festnetz|durchwahl|tél|portable|fixe|tfno|tlf|móvil"
    "|movil|celular|fijo|cellulare|recapito|komórka|kom|fone|zap|फोन|फ़ोन|मोबाइल",
    "telefon|telephone|phone|téléphon|teléfono|telefoon|mobiel|mobilnum|rufnummer|handynum|कॉल",
)
CALL = context(
    "call|called|ring|reach|dial|anrufen|erreichbar|appelez|appeler|joindre|llame|llamar|llámame|chiamare|chiama|chiami|bel"
    "|bellen|bereikbaar|zadzwoń|dzwonić|zadzwonić|ligue|ring"
)
"""Verbs say less than nouns: only numbers of nine digits or more."""
NORTH_AMERICAN = re.compile(r"\(\d{3}\) ?\d{3}[-. ]\d{4}|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4}|1[- ]\d{3}-\d{3}-\d{4}")
DATE = re.compile(r"(?:\d{4}[-/]\d{4}|\d{4}([-/. ])\d{1,2}\1\d{1,2}|\d{1,2}([-/. ])\d{1,2}\2\d{4})(?!\d)")
DECIMAL = re.compile(r"\+?\d+\.\d+")
COUNTED = frozenset({"0123456789", "1234567890", "123456789", "12345678", "1234567"})
STARTS = re.compile(r"(?:(?<=[ (])|(?<![\d ]))\(?\d")
"""Where a number may begin within a run of digits."""
SIGNS = frozenset("+-$€£#./,")
LONGEST = 22
"""Characters of a national number with its separators."""


def find_emails(view: View) -> Iterator[Found]:
    """E-mail addresses, also with letters of other alphabets."""
    at = view.data.find(b"@")
    while at >= 0:
        local = LOCAL.search(view.text[max(0, at - 64) : at].rpartition("\0")[2])
        domain = DOMAIN.match(view.text, at + 1)
        if local and domain:
            name = local.group().strip(".'&~%-")
            start = at - len(local.group()) + local.group().index(name) if name else at
            value = view.text[start : domain.end()].lower()
            if name and start + len(name) == at and _is_address(value, domain["top"].lower()):
                yield Found("email", start, domain.end(), value)
        at = view.data.find(b"@", at + 1)


def _is_address(value: str, top: str) -> bool:
    name = value.partition("@")[0]
    return NOT_A_DOMAIN.fullmatch(top) is None and name not in NOT_A_PERSON and ".." not in name


class Plan(NamedTuple):
    """The numbering plan of one region."""

    code: int
    trunk: str
    pattern: re.Pattern[str]
    """Significant numbers of all kinds."""


def find_phones(regions: tuple[str, ...]) -> "PhoneFinder":
    """A detector of international numbers and of national numbers of these regions; UserError for an unknown one."""
    from phonenumbers import SUPPORTED_REGIONS

    unknown = sorted(set(regions) - SUPPORTED_REGIONS)
    if unknown:
        raise UserError(
            f"prepare.private.regions: {', '.join(unknown)} is no region with telephone numbers. "
            "Use two capital letters of ISO 3166, such as DE or US."
        )
    return PhoneFinder(regions)


class PhoneFinder:
    """Finds telephone numbers; the numbering plans are those of `phonenumbers` (Google's libphonenumber)."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions

    def __call__(self, view: View) -> Iterator[Found]:
        """All telephone numbers of a text."""
        for match in INTERNATIONAL.finditer(view.data):
            start, end = match.span()
            if not view.text[max(0, start - 1) : start].isalnum() and not DECIMAL.fullmatch(view.text, start, end):
                yield from _international(view, start, end)
        for run in view.digits_like(RUN):
            yield from self._national(view, run.start(), run.end())

    def _national(self, view: View, start: int, end: int) -> Iterator[Found]:
        """Numbers without country code in a run of digits: alone, or among other numbers."""
        if view.text[max(0, start - 1) : start] == "(":
            start -= 1
        spoken = PHONE.near(view, start, end, before=40, after=32)
        called = spoken or CALL.near(view, start, end, before=40, after=16)
        done = start
        for place in STARTS.finditer(view.text, start, end):
            at = place.start()
            if at < done or view.text[max(0, at - 1) : at] in SIGNS or QUERY.search(view.text[max(0, at - 32) : at]):
                continue
            found = _written_as_such(view, at, end)
            if found is None and called:
                found = self._spoken_of(view, at, end, fewest=7 if spoken else 9)
            if found is None or is_named_otherwise(view, at) or IBAN_HEAD.search(view.text[max(0, at - 40) : at]):
                continue
            done = found.end
            yield found

    def _spoken_of(self, view: View, start: int, end: int, *, fewest: int) -> Found | None:
        """A number of these regions; a word nearby calls it a telephone number."""
        written = view.text[start:end]
        if DATE.match(written) or DECIMAL.fullmatch(written) or written in COUNTED:
            return None
        for last in _ends(view.text, start, end):
            number = view.text[start:last]
            if last - start > LONGEST or "  " in number or sum(map(str.isdigit, number)) < fewest:
                continue
            for region in self._regions if view.stands_alone(start, last) else ():
                value = _significant(number, region)
                if value:
                    return Found("phone", start, last, value)
        return None


def _written_as_such(view: View, start: int, end: int) -> Found | None:
    """A number in one of the forms that only telephone numbers have: North American, or with 00 and a country code."""
    american = NORTH_AMERICAN.match(view.text, start)
    if american and view.stands_alone(start, american.end()) and view.text[american.end() : american.end() + 1] != "-":
        value = _significant(american.group(), "US") or _significant(american.group(), "CA")
        if value:
            return Found("phone", start, american.end(), value)
    return next(_international(view, start, end), None) if ABROAD.match(view.text, start) else None


def _international(view: View, start: int, end: int) -> Iterator[Found]:
    from phonenumbers import region_codes_for_country_code

    for last in _ends(view.text, start, end):
        digits = re.sub(r"\D", "", view.text[start:last].replace("(0)", "")).removeprefix("00")
        plans = (
            (length, _plan(region))
            for length in (1, 2, 3)
            for region in region_codes_for_country_code(int(digits[:length]))
        )
        if any(plan is not None and plan.pattern.fullmatch(digits[length:]) for length, plan in plans):
            yield Found("phone", start, last, f"+{digits}")
            return


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where a number may end: with the run, or with an earlier group, the longest first."""
    if end - start > LONGEST + 4:
        end = start + LONGEST
        while end > start and text[end - 1 : end + 1].isdigit():
            end -= 1
    for _ in range(5):
        yield end
        last = GROUP_END.search(text[start:end])
        if last is None or end - start < 8:
            return
        end = start + last.start()


def _significant(written: str, region: str) -> str | None:
    """The number in E.164 if the region's plan knows it."""
    plan = _plan(region)
    if plan is None:
        return None
    digits = re.sub(r"\D", "", written)
    if digits.startswith("00"):
        digits = digits[2:]
        if not digits.startswith(str(plan.code)):
            return None
        digits = digits[len(str(plan.code)) :]
    elif plan.trunk and digits.startswith(plan.trunk):
        digits = digits[len(plan.trunk) :]
    return f"+{plan.code}{digits}" if plan.pattern.fullmatch(digits) else None


@cache
def _plan(region: str) -> Plan | None:
    from phonenumbers import PhoneMetadata

    data = PhoneMetadata.metadata_for_region(region)
    if data is None or data.country_code is None:
        return None
    kinds = (
        "fixed_line",
        "mobile",
        "toll_free",
        "premium_rate",
        "shared_cost",
        "personal_number",
        "voip",
        "uan",
        "pager",
        "voicemail",
    )
    patterns = [getattr(data, kind).national_number_pattern for kind in kinds if getattr(data, kind) is not None]
    pattern = "|".join(f"(?:{pattern})" for pattern in patterns if pattern)
    return Plan(code=data.country_code, trunk=data.national_prefix or "", pattern=re.compile(pattern))
