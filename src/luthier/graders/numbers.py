"""Answers that are numbers: the last one that is said, and whether it is near enough to the truth."""

import re

RELATIVE = 0.005
"""Accepted share of the truth where no digit was asked for."""
_BREAKS = "\u00a0\u2009\u202f'’"
_NUMBER = re.compile(rf"(?<![\w.,])([-+\u2212]?)(\d[\d.,{_BREAKS}]*|[.,]\d+)(?:[eE]([-+]?\d+))?(\s?%)?")
_GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")


def numeric_match(text: str, truth: float, *, decimals: int | None = None) -> float:
    """1 if the last number in `text` is the truth, else 0; a number with % may stand for itself or its hundredth.

    Near enough is half a unit of the last digit asked for (`decimals` after the point, negative before it), else .5 %.
    """
    found = last_number(text)
    if found is None:
        return 0.0
    value, is_percent = found
    accepted = 0.5 * 10.0**-decimals if decimals is not None else RELATIVE * abs(truth)
    # A float just outside by its rounding is inside.
    accepted *= 1 + 1e-9
    near = abs(value - truth) <= accepted
    return float(near or (is_percent and abs(value / 100 - truth) <= accepted))


def number_score(text: str, gold: str) -> float:
    """`numeric_match` with a gold that is written as a number; asked for are the digits after its point."""
    truth = last_number(gold)
    assert truth is not None, f"not a number: {gold}"
    return numeric_match(text, truth[0], decimals=len(gold.partition(".")[2]))


def last_number(text: str) -> tuple[float, bool] | None:
    """The last number of a text and whether a % follows; None if there is none.

    Separators of thousands are taken out: the sign that is not the last of the two kinds, or one kind in groups of
    three ('1,234' is 1234; '1.234' is 1.234 and '1.234.567' is not).
    """
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    sign, digits, exponent, percent = found[-1].groups()
    value = float(f"{_plain(digits)}e{exponent or 0}")
    return (value if sign in {"", "+"} else -value), percent is not None


def _plain(digits: str) -> str:
    """Digits with a point: '1.234,5' -> '1234.5'."""
    digits = re.sub(f"[{_BREAKS}]", "", digits).rstrip(".,")
    if "," in digits and "." in digits:
        thousands = min(",.", key=digits.rfind)
        digits = digits.replace(thousands, "")
    grouped = _GROUPED.fullmatch(digits)
    if grouped and (grouped[1] == "," or digits.count(".") > 1):
        digits = digits.replace(grouped[1], "")
    head, mark, tail = digits.replace(",", ".").rpartition(".")
    # Of several marks that group nothing only the last can be the decimal one.
    return head.replace(".", "") + mark + tail
