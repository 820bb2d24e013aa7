"""Check digits: each function says whether a string of digits (or capitals) carries the right one."""

from collections.abc import Sequence
from itertools import pairwise

DIHEDRAL = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
"""Multiplication in the dihedral group of order 10 (Verhoeff 1969)."""
PERMUTATIONS = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
EVEN_VALUES = {**{str(digit): digit for digit in range(10)}, **{chr(65 + index): index for index in range(26)}}
ODD_ORDER = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
ODD_VALUES = {
    **{str(digit): ODD_ORDER[digit] for digit in range(10)},
    **{chr(65 + index): ODD_ORDER[index] for index in range(26)},
}
"""Values at odd places of an Italian codice fiscale (decree of 12 March 1974)."""
DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: cards, SIN, personnummer."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(DOUBLED[value] for value in values[1::2])) % 10 == 0


def mod_97(text: str) -> bool:
    """ISO 7064 MOD 97-10 of an IBAN: country and check digits go to the end, letters count from 10."""
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Verhoeff's scheme: Aadhaar."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(DIHEDRAL[check][int(PERMUTATIONS[place % 8][int(digit)])])
    return check == 0


def mod_11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10: Steuer-ID."""
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Sum of digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def nhs(digits: str) -> bool:
    """NHS number: weights 10 to 2, modulo 11; a check of 10 is never issued."""
    check = 11 - weighted(digits, range(10, 1, -1)) % 11
    return check % 11 == int(digits[9]) and check != 10


def bsn(digits: str) -> bool:
    """Dutch eleven test: weights 9 to 2, the last digit counts minus one."""
    return int(digits) > 0 and (weighted(digits, range(9, 1, -1)) - int(digits[8])) % 11 == 0


def pesel(digits: str) -> bool:
    """PESEL: weights 1, 3, 7, 9 and so on, modulo 10."""
    return (weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) + int(digits[10])) % 10 == 0


def cpf(digits: str) -> bool:
    """CPF: two check digits modulo 11; eleven equal digits are never issued."""
    first = weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return first == int(digits[9]) and second == int(digits[10]) and len(set(digits)) > 1


def nir(text: str) -> bool:
    """NIR: key = 97 - number modulo 97; departments 2A and 2B count as 19 and 18."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(number) % 97 == int(text[13:])


def nif(text: str) -> bool:
    """DNI and NIE: the letter at place (number modulo 23) of the official row; X, Y, Z count as 0, 1, 2."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Codice fiscale: letters of odd and even places, modulo 26."""
    total = sum(ODD_VALUES[letter] for letter in text[:15:2]) + sum(EVEN_VALUES[letter] for letter in text[1:15:2])
    return chr(65 + total % 26) == text[15]


def repeats_like_steuer_id(digits: str) -> bool:
    """In the first ten digits of a Steuer-ID exactly one digit occurs two or three times, never three in a row."""
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if counts[-1] not in {2, 3} or counts[-2] != 1:
        return False
    return not any(
        left == right == after for (left, right), after in zip(pairwise(digits[:9]), digits[2:10], strict=True)
    )
