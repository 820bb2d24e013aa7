"""Values of digits in groups: cards and national ids, told apart by how many digits stand between which separators."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from luthier.prepare.private import checksums
from luthier.prepare.private.config import FindingType
from luthier.prepare.private.context import Context, context, is_named_otherwise
from luthier.prepare.private.view import Found, View

RUN = re.compile(rb"[0-9](?:[ ./()\-]{0,2}[0-9]){6,}")
GROUP = re.compile(rb"[0-9]+")
LONGER = re.compile(r"(?:[0-9]{3}|[A-Za-z][0-9]+|[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4})+) $")
IBAN_HEAD = re.compile(r"[A-Z]{2}[0-9]{2} (?:[A-Z0-9]{4} )+$")
Shape = tuple[int, ...]


class Rule(NamedTuple):
    """How one kind of number is written. `strict`: a word nearby must name it."""

    type: FindingType
    marks: tuple[str, ...]
    """What may stand between the groups."""
    is_valid: Callable[[str], bool]
    context: Context
    strict: bool


def is_card(digits: str) -> bool:
    """ISO/IEC 7812: a known issuer's range and length, and Luhn's check digit."""
    length, first, four = len(digits), digits[0], int(digits[:4])
    known = (
        (first == "4" and length in {13, 16, 19})
        or (length == 16 and (5100 <= four <= 5599 or 2200 <= four <= 2720 or digits[:2] in {"60", "65", "81", "82"}))
        or (length == 15 and digits[:2] in {"34", "37"})
        or (16 <= length <= 19 and (four == 6011 or 3528 <= four <= 3589 or digits[:2] in {"62", "64", "65"}))
        or (length == 14 and (3000 <= four <= 3059 or digits[:2] in {"36", "38", "39"}))
    )
    return known and len(set(digits)) > 1 and checksums.luhn(digits)


def is_ssn(digits: str) -> bool:
    """US social security number, or ITIN (area 9)."""
    area, group, serial = digits[:3], int(digits[3:5]), digits[5:]
    if area in {"000", "666"} or group == 0 or serial == "0000" or digits in {"123456789", "987654321"}:
        return False
    return area < "900" or 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or group >= 94


def is_nir(digits: str) -> bool:
    """French social security number: sex, year, month, and the key modulo 97."""
    return digits[0] in "12378" and (1 <= int(digits[3:5]) <= 12 or int(digits[3:5]) >= 20) and checksums.nir(digits)


def is_steuer_id(digits: str) -> bool:
    """German tax number for persons."""
    return digits[0] != "0" and checksums.repeats_like_steuer_id(digits) and checksums.mod_11_10(digits)


def is_pesel(digits: str) -> bool:
    """Polish PESEL: a day of birth whose month tells the century, and a check digit."""
    month = int(digits[2:4])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    return _is_day(century + int(digits[:2]), month % 20, int(digits[4:6])) and checksums.pesel(digits)


def is_personnummer(digits: str) -> bool:
    """Swedish personnummer (or samordningsnummer, day + 60): a day of birth and Luhn's check digit."""
    short = digits[-10:]
    year = int(digits[:4]) if len(digits) == 12 else 2000 + int(short[:2])
    day = int(short[4:6])
    return 1850 < year < 2100 and _is_day(year, int(short[2:4]), day - 60 * (day > 60)) and checksums.luhn(short)


def is_aadhaar(digits: str) -> bool:
    """Indian Aadhaar: never begins with 0 or 1."""
    return digits[0] not in "01" and checksums.verhoeff(digits) and len(set(digits)) > 2


def is_sin(digits: str) -> bool:
    """Canadian social insurance number: never begins with 0 or 8."""
    return digits[0] not in "08" and checksums.luhn(digits) and len(set(digits)) > 1


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_named_card(digits: str) -> bool:
    """What a word calls a card: Luhn's check digit and the first digit of travel, banks or shops."""
    return digits[0] in "123456" and len(set(digits)) > 1 and checksums.luhn(digits)


CARD = context(
    "card|visa|mastercard|amex|karte|kreditkarte|carte|tarjeta|carta|kaart|creditcard|karta|kartą|karty|cartão|kort|debit",
    "card|kredit|crédit|credit|कार्ड",
)
SSN = context("ssn|ssns|itin|tin|taxpayer", "social security|taxpayer")
NHS = context("nhs|patient", "nhs number|health service")
STEUER = context("idnr|tin|steuerid|steuernummer", "steuer|identifikationsnummer|idnr|tax id|german tax")
NIR = context("nir|insee|vitale|nss|secu|sécu", "sécurité sociale|securite sociale|numéro de sécu")
BSN = context("bsn|sofi|sofinummer", "burgerservice|bsn|citizen service")
PESEL = context("pesel|peselu|peselem", "pesel")
AADHAAR = context("aadhaar|aadhar|adhaar|uidai|uid", "aadhaar|aadhar|आधार")
CPF = context("cpf", "cpf|cadastro de pessoa")
SIN = context("sin|nas", "social insurance|assurance sociale")
PERSONNUMMER = context("personnummer|personnr|pnr|samordningsnummer", "personnummer|personnumret|swedish personal")

SPACE, DASH = (" ",), ("-",)
EITHER = (" ", "-")


ID: FindingType = "national_id"
TABLE: tuple[tuple[Rule, tuple[Shape, ...]], ...] = (
    (Rule("card", (), is_card, CARD, strict=False), ((16,), (15,))),
    (Rule("card", EITHER, is_named_card, CARD, strict=True), ((12,), (13,), (14,), (15,), (16,), (19,), (4, 4, 4, 4))),
    (Rule("card", EITHER, is_card, CARD, strict=False), ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3))),
    (Rule(ID, DASH, is_ssn, SSN, strict=False), ((3, 2, 4),)),
    (Rule(ID, SPACE, is_ssn, SSN, strict=True), ((3, 2, 4), (9,))),
    (Rule(ID, EITHER, checksums.nhs, NHS, strict=True), ((3, 3, 4), (10,))),
    (Rule(ID, SPACE, is_steuer_id, STEUER, strict=False), ((2, 3, 3, 3),)),
    (Rule(ID, (), is_steuer_id, STEUER, strict=True), ((11,),)),
    (Rule(ID, SPACE, is_nir, NIR, strict=False), ((15,), (13, 2), (1, 2, 2, 2, 3, 3, 2))),
    (Rule(ID, (".", " "), checksums.bsn, BSN, strict=True), ((9,), (4, 2, 3), (3, 3, 3))),
    (Rule(ID, (), is_pesel, PESEL, strict=True), ((11,),)),
    (Rule(ID, EITHER, is_aadhaar, AADHAAR, strict=False), ((4, 4, 4),)),
    (Rule(ID, (), is_aadhaar, AADHAAR, strict=True), ((12,),)),
    (Rule(ID, ("..-",), checksums.cpf, CPF, strict=False), ((3, 3, 3, 2),)),
    (Rule(ID, (), checksums.cpf, CPF, strict=True), ((11,),)),
    (Rule(ID, EITHER, is_sin, SIN, strict=True), ((3, 3, 3), (9,))),
    (Rule(ID, DASH, is_personnummer, PERSONNUMMER, strict=False), ((6, 4), (8, 4))),
    (Rule(ID, (), is_personnummer, PERSONNUMMER, strict=True), ((10,), (12,))),
)
RULES: dict[int, dict[Shape, list[Rule]]] = {}
"""Digits in the first group -> shape -> rules."""
for _rule, _shapes in TABLE:
    for _shape in _shapes:
        RULES.setdefault(_shape[0], {}).setdefault(_shape, []).append(_rule)


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of digits of one run: where they stand and how long they are."""

    spans: list[tuple[int, int]]
    lengths: Shape

    def marks(self, view: View, first: int, last: int) -> str:
        """The separators between two groups, one character each; a double one is `*`."""
        gaps = (view.text[self.spans[at][1] : self.spans[at + 1][0]] for at in range(first, last))
        return "".join(gap if len(gap) == 1 else "*" for gap in gaps)


def find_numbers(view: View) -> Iterator[Found]:
    """Cards and national ids that consist of digits only."""
    for run in view.digits_like(RUN):
        spans = [(run.start() + group.start(), run.start() + group.end()) for group in GROUP.finditer(run.group())]
        groups = Groups(spans, tuple(end - start for start, end in spans))
        end = 0
        for first, (start, _) in enumerate(spans):
            found = _match(view, groups, first) if start >= end else None
            if found is not None:
                end = found.end
                yield found


def _match(view: View, groups: Groups, first: int) -> Found | None:
    for shape, rules in RULES.get(groups.lengths[first], {}).items():
        last = first + len(shape) - 1
        if groups.lengths[first : last + 1] != shape:
            continue
        start, end = groups.spans[first][0], groups.spans[last][1]
        marks = groups.marks(view, first, last)
        if not view.stands_alone(start, end) or _is_cut(view, start, end, marks):
            continue
        digits = "".join(view.text[left:right] for left, right in groups.spans[first : last + 1])
        for rule in rules:
            if _fits(marks, rule.marks) and rule.is_valid(digits) and _is_meant(view, start, end, rule):
                return Found(rule.type, start, end, digits)
    return None


def _fits(marks: str, allowed: tuple[str, ...]) -> bool:
    return not marks or marks in allowed or (len(set(marks)) == 1 and marks[0] in allowed)


def _is_cut(view: View, start: int, end: int, marks: str) -> bool:
    """Whether the groups are only a part of a longer number.

    Their own mark leads to more, or a hyphen, slash or point. A space may end a number: only three digits or more
    behind it, or letters and digits before it, are taken for a part.
    """
    before, after = view.text[max(0, start - 24) : start], view.text[end : end + 4]
    spaced = " " in marks
    own = ({*marks, "."} - {" "}) if marks else {"-", "/", "."}
    if before.endswith("+") or (after[:1] in own and after[1:2].isdigit()):
        return True
    if before[-1:] in own and (before[-2:-1].isdigit() if marks else before[-2:-1].isalnum()):
        return True
    return spaced and (
        (after[:1] == " " and after[1:4].isdigit() and len(after) == 4) or LONGER.search(before) is not None
    )


def _is_meant(view: View, start: int, end: int, rule: Rule) -> bool:
    if rule.context.near(view, start, end):
        return True
    return not rule.strict and not is_named_otherwise(view, start)
