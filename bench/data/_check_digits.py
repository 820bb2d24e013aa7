"""Check digits for the made-up ids of D5, computed by code that Luthier does not share."""

import string

ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
"""Values of A to Z (and of 0 to 9) at odd places of a codice fiscale."""


def luhn_digit(body: str) -> str:
    """The last digit that makes a number pass Luhn's test."""
    total = 0
    for place, digit in enumerate(body[::-1]):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def iban(country: str, account: str) -> str:
    """An IBAN from country and basic account number."""
    numeral = ""
    for letter in f"{account}{country}00":
        numeral += letter if letter.isdigit() else str(string.ascii_uppercase.index(letter) + 10)
    remainder = 0
    for digit in numeral:
        remainder = (remainder * 10 + int(digit)) % 97
    return f"{country}{98 - remainder:02d}{account}"


def verhoeff_digit(body: str) -> str:
    """The digit by which Verhoeff's check ends at the neutral element."""
    state = 0
    for place, digit in enumerate(body[::-1], start=1):
        state = _turn(state, _shuffled(int(digit), place))
    return str(next(digit for digit in range(10) if _turn(state, digit) == 0) if state else 0)


def _turn(left: int, right: int) -> int:
    # Ten symmetries of a pentagon: 0 to 4 turn it, 5 to 9 flip it.
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right - 5) % 5
    return 5 + (left - 5 - right) % 5 if right < 5 else (left - right) % 5


def _shuffled(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


def steuer_digit(body: str) -> str:
    """ISO 7064 MOD 11,10 for ten digits."""
    carry = 10
    for digit in body:
        carry = ((int(digit) + carry) % 10 or 10) * 2 % 11
    return str((11 - carry) % 10)


def nhs_digit(body: str) -> str | None:
    """Modulo 11 for nine digits; None where no number is issued."""
    rest = sum(int(digit) * (10 - place) for place, digit in enumerate(body)) % 11
    check = (11 - rest) % 11
    return None if check == 10 else str(check)


def bsn_digit(body: str) -> str | None:
    """The ninth digit of a BSN; None where none fits."""
    rest = sum(int(digit) * (9 - place) for place, digit in enumerate(body)) % 11
    return str(rest) if rest < 10 else None


def pesel_digit(body: str) -> str:
    """The eleventh digit of a PESEL."""
    return str(-sum(int(digit) * (1, 3, 7, 9)[place % 4] for place, digit in enumerate(body)) % 10)


def cpf_digits(body: str) -> str:
    """The two last digits of a CPF."""
    for _ in range(2):
        rest = sum(int(digit) * (len(body) + 1 - place) for place, digit in enumerate(body)) % 11
        body += "0" if rest < 2 else str(11 - rest)
    return body[9:]


def nir_key(body: str) -> str:
    """The two last digits of a French NIR; Corsica's letters count as 19 and 18."""
    return f"{97 - int(body.replace('2A', '19').replace('2B', '18')) % 97:02d}"


def dni_letter(number: int) -> str:
    """The letter of a DNI or NIE."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def fiscale_letter(body: str) -> str:
    """The last letter of a codice fiscale."""
    total = 0
    for place, letter in enumerate(body, start=1):
        even = int(letter) if letter.isdigit() else string.ascii_uppercase.index(letter)
        total += ODD[even] if place % 2 else even
    return string.ascii_uppercase[total % 26]
