"""Passport and licence numbers and dates of birth: no check digits, so a word nearby must name them."""

import re
from collections.abc import Iterator
from datetime import date

from luthier.prepare.private.config import FindingType
from luthier.prepare.private.context import context, is_named_otherwise
from luthier.prepare.private.view import BREAK, MASKED, Found, View

PASSPORT = (b"passport", b"reisepas", b"passeport", b"pasaporte", b"passaport", b"paspoort", b"paszport", b"passnummer")
LICENCE = (
    b"licence",
    b"license",
    b"licencia",
    b"f?hrerschein",
    b"fuehrerschein",
    b"fahrerlaubnis",
    b"permis d",
    b"permiso de cond",
    b"carnet de cond",
    b"patente",
    b"rijbewijs",
    b"prawa jazdy",
    b"prawo jazdy",
    b"cnh",
    b"k?rkort",
    b"korkort",
)
"""Words as they stand in `View.lower`: '?' for a letter outside ASCII."""
DRIVING = context(
    "cnh|dl|führerschein|führerscheinnummer|fuehrerschein|rijbewijs|rijbewijsnummer|körkort|körkortsnummer|korkort",
    "driv|dvla|dmv|führerschein|fahrerlaubnis|permis de conduire|conducir|conduc|patente di guida|patente|rijbewijs"
    "|prawa jazdy|prawo jazdy|habilitação|körkort",
)
TOKEN = re.compile(
    r"(?<![A-Za-z0-9/_.-])(?:[A-Z]{1,3}[ -]?\d{6,9}[A-Z]?|\d{2} ?[A-Z]{2} ?\d{5,6}|[A-Z]\d{3,4}(?:[ -]\d{3,5}){2,4}"
    r"|[A-Z]{2}[ -]?\d{2}[ -]?\d{11}|\d{6,8}[ -]\d{2,4}|\d{2,5}(?:[ /-]\d{2,5}){1,3}|[A-Z0-9]{6,18})(?![A-Za-z0-9_])"
)
REACH, LONGEST = 48, 24
"""Characters between the word and the first of the number, and characters of the longest number."""
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero gennaio gen ene januari styczeń stycznia janeiro jänner janv",
            "feb february februar février fevrier febrero febbraio februari luty lutego fevereiro févr fev",
            "mar march märz mars marzo maart marzec marca março mrt",
            "apr april avril abril aprile kwiecień kwietnia avr abr",
            "may mai mayo maggio mei maj maja maio mag",
            "jun june juni juin junio giugno czerwiec czerwca junho giu",
            "jul july juli juillet julio luglio lipiec lipca julho juil lug",
            "aug august août aout agosto augustus sierpień sierpnia augusti ago",
            "sep sept september septembre septiembre settembre wrzesień września setembro set",
            "oct october oktober octobre octubre ottobre październik października outubro okt ott out",
            "nov november novembre noviembre listopad listopada novembro",
            "dec december dezember décembre decembre diciembre dicembre grudzień grudnia dezembro dez dic déc",
        ),
        start=1,
    )
    for name in names.split()
}
BORN = context(
    "born|birthday|birthdate|dob|geb|geboren|geburtstag|geburtsdatum|né|née|naissance|nacido|nacida|nació|nacimiento|nato"
    "|nata|nascita|nascido|nascida|nasceu|nascimento|geboortedatum|urodzony|urodzona|urodził|urodziła|född|födelsedatum",
    "birth|d.o.b|geburt|naissance|nacimiento|nascita|nasciment|geboorte|urodz|födel|जन्म",
)
YEAR = re.compile(rb"(?:1[89]|20)[0-9]{2}(?![0-9])")
ORDERS = tuple(
    re.compile(order)
    for order in (
        r"(?P<y>\d{4})([-/. ])(?P<m>\d{1,2})\2(?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})([-/. ])(?P<m>\d{1,2})\2(?P<y>\d{4})",
        r"(?P<d>\d{1,2})(?:st|nd|rd|th|er|º|°)?\.?[ -]{1,2}(?:de |of )?(?P<n>[^\W\d_]{3,12})\.?,?[ -]{1,2}(?:de )?"
        r"(?P<y>\d{4})",
        r"(?P<n>[^\W\d_]{3,12})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})",
    )
)


def find_documents(view: View) -> Iterator[Found]:
    """Passport and driving licence numbers: the first number after the word, else the last one before it."""
    for at in view.places(PASSPORT):
        yield from _number_near(view, at, "passport")
    for at in view.places(LICENCE):
        if DRIVING.near(view, at, at, before=24, after=48):
            yield from _number_near(view, at, "licence")


def _number_near(view: View, at: int, kind: FindingType) -> Iterator[Found]:
    window = view.text[at : at + REACH + LONGEST].partition(BREAK)[0]
    after, masked, _ = window.partition(MASKED)
    before = view.text[max(0, at - REACH) : at].rpartition(BREAK)[2]
    numbers = [one for one in _numbers(view, at, after, kind) if one.start < at + REACH]
    if numbers or masked:
        yield from numbers[:1]
    else:
        yield from _numbers(view, at - len(before), before, kind)[-1:]


def _numbers(view: View, offset: int, window: str, kind: FindingType) -> list[Found]:
    found = []
    for match in TOKEN.finditer(window):
        number = re.sub(r"[ /-]", "", match.group())
        start, end = offset + match.start(), offset + match.end()
        if sum(map(str.isdigit, number)) >= 4 and view.stands_alone(start, end) and not is_named_otherwise(view, start):
            found.append(Found(kind, start, end, number))
    return found


def find_birth_dates(view: View) -> Iterator[Found]:
    """Days that a word nearby calls a day of birth."""
    for match in view.digits_like(YEAR):
        if not BORN.near(view, match.start(), match.end(), before=60, after=40):
            continue
        found = _date_at(view, match.start(), match.end())
        if found is not None and BORN.near(view, found.start, found.end, before=40, after=32):
            yield found


def _date_at(view: View, year: int, year_end: int) -> Found | None:
    left = max(0, year - 24)
    window = view.text[left : year_end + 6]
    for match in (match for order in ORDERS for match in order.finditer(window)):
        start, end = left + match.start(), left + match.end()
        day = _normal(match)
        if day is not None and start <= year < end and view.stands_alone(start, end):
            return Found("birth_date", start, end, day)
    return None


def _normal(match: re.Match[str]) -> str | None:
    parts = match.groupdict()
    month = MONTHS.get(parts["n"].lower(), 0) if "n" in parts else int(parts["m"])
    day, year = int(parts["d"]), int(parts["y"])
    # Americans write the month first; what cannot be a month is a day.
    if month > 12:
        day, month = month, day
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None
