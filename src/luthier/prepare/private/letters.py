"""Values of letters and digits: IBAN, national ids with letters, and what only a word nearby can prove."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from luthier.prepare.private import checksums
from luthier.prepare.private.context import Context, context, is_named_otherwise
from luthier.prepare.private.view import Found, View

# Every trigger begins with digits, which are rare in prose, and looks back at the letters before them.
IBAN_START = re.compile(rb"[0-9]{2}(?<=[A-Za-z]{2}[0-9]{2})(?=(?:[ -]?[A-Za-z0-9]){11})")
IBAN_LONGEST = 48
"""Characters of the longest IBAN with a mark between any two of its characters or groups."""
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""SWIFT IBAN registry: country -> characters."""
COMPACT = re.compile(r"[^A-Z0-9]")


class Form(NamedTuple):
    """How one kind of id is written; the pattern begins with a digit, and looks back at the letters before it."""

    pattern: bytes
    letters: int
    """Letters and digits of the id before that digit."""
    is_valid: Callable[[str], bool]
    context: Context
    strict: bool = False
    """A word nearby must name it."""


def is_nino(text: str) -> bool:
    """UK national insurance number: prefixes that HMRC issues."""
    first, second = text[0], text[1]
    never = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}
    return first not in "DFIQUV" and second not in "DFIQUVO" and text[:2] not in never and text[8] in "ABCD"


def is_pan(text: str) -> bool:
    """Indian permanent account number: the fourth letter tells the kind of holder."""
    return text[3] in "ABCFGHJLPT"


NINO = context("nino|ni", "national insurance|insurance number|nino")
SPANISH = context("dni|nif|nie", "d.n.i|n.i.f|n.i.e|identidad|identificación|extranjero")
ITALIAN = context("cf", "codice fiscale|cod. fisc|fiscale")
PAN = context("pan", "permanent account|income tax|pan card|pan no|आयकर")
NIR = context("nir|insee|nss", "sécurité sociale|securite sociale|numéro de sécu")

FORMS = {
    "nino": Form(
        rb"[0-9]{2}(?:(?<=[A-Za-z]{2}..)|(?<=[A-Za-z]{2} ..))(?P<gap> ?)[0-9]{2}(?P=gap)[0-9]{2}(?P=gap)[A-Da-d]",
        2,
        is_nino,
        NINO,
    ),
    "dni": Form(rb"[0-9]{2}(?:[0-9]{6}|\.[0-9]{3}\.[0-9]{3})[- ]?[A-Za-z]", 0, checksums.nif, SPANISH),
    "nie": Form(rb"[0-9](?:(?<=[XYZxyz].)|(?<=[XYZxyz][ -].))[0-9]{6}[- ]?[A-Za-z]", 1, checksums.nif, SPANISH),
    "fiscale": Form(
        rb"[0-9]{2}(?<=[A-Za-z]{6}..)[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", 6, checksums.codice_fiscale, ITALIAN
    ),
    "pan": Form(rb"[0-9]{4}(?<=[A-Z]{5}....)[A-Z]", 5, is_pan, PAN, strict=True),
    "corsican": Form(
        rb"2[ABab](?:(?<=[12][0-9]{4}..)|(?<=[12] [0-9]{2} [0-9]{2} ..))(?P<mark> ?)[0-9]{3}(?P=mark)[0-9]{3}"
        rb" ?[0-9]{2}",
        5,
        checksums.nir,
        NIR,
    ),
}
FORM = re.compile(
    b"(?:"
    + b"|".join(b"(?P<%s>%s)" % (name.encode(), form.pattern) for name, form in FORMS.items())
    + b")(?![A-Za-z0-9])"
)


def find_ids_with_letters(view: View) -> Iterator[Found]:
    """National ids that hold letters."""
    for match in view.digits_like(FORM):
        form = FORMS[str(match.lastgroup)]
        start, end = _start_of(view.text, match.start(), form.letters), match.end()
        written = view.text[start:end]
        value = COMPACT.sub("", written.upper())
        if not view.stands_alone(start, end) or not form.is_valid(value):
            continue
        named = form.context.near(view, start, end)
        if named or not (form.strict or written != written.upper() or is_named_otherwise(view, start)):
            yield Found("national_id", start, end, value)


def _start_of(text: str, at: int, characters: int) -> int:
    """Where a value begins that has so many letters and digits before `at`."""
    while characters:
        at -= 1
        characters -= text[at].isalnum()
    return at


def find_ibans(view: View) -> Iterator[Found]:
    """IBANs of the countries in the SWIFT registry, in groups or in one piece."""
    for match in view.digits_like(IBAN_START):
        start = match.start() - 2
        country = view.text[start : start + 2].upper()
        if country not in IBAN_LENGTHS or view.text[start - 1 : start].isalnum():
            continue
        end = _end_of(view.text, start, IBAN_LENGTHS[country])
        value = COMPACT.sub("", view.text[start:end].upper())
        if len(value) == IBAN_LENGTHS[country] and view.stands_alone(start, end) and checksums.mod_97(value):
            yield Found("iban", start, end, value)


def _end_of(text: str, start: int, characters: int) -> int:
    """Where a value of so many letters and digits ends, with at most one space or hyphen between two of them."""
    at = start
    for at in range(start, min(len(text), start + IBAN_LONGEST)):
        letter = text[at]
        if letter.isascii() and letter.isalnum():
            characters -= 1
        elif letter not in " -" or text[at - 1] in " -":
            return at
        if characters == 0:
            break
    return at + 1
