"""Escapes of roff: special characters to text, fonts, sizes and motions to nothing (groff(7), groff_char(7))."""

import re
import unicodedata

ESCAPE = re.compile(
    r"\\(?:"
    r"\((?P<two>..)|\[(?P<name>[^\]\n]*)\]|N'(?P<code>\d+)'|"
    r"f(?:\(..|\[[^\]]*\]|.)|[FgkMmnVY*](?:\(..|\[[^\]]*\]|.)|s[+-]?(?:\(\d\d|\[[^\]]*\]|'[^']*'|[1-3]\d(?=\D)|\d)|"
    r"(?P<size>s'[^']*')|(?P<motion>[hvxXlLDbABHSZRCww])(?P<mark>['\"|^])(?P<inside>.*?)(?P=mark)|"
    r"o(['\"])(?P<over>.).*?\8|z(?P<zero>.)|(?P<one>.)|$)",
    re.DOTALL,
)
SINGLE = {
    "-": "-", "e": "\\", "\\": "\\", "E": "\\", " ": " ", "~": " ", "0": " ", "t": "\t", "'": "'", "`": "`", ".": ".",
    "_": "_", "a": "", "\n": "",
}  # fmt: skip
NAMED = {
    "bu": "•", "em": "—", "en": "–", "hy": "-", "mi": "−", "pl": "+", "mu": "×", "di": "÷", "eq": "=", "**": "*",
    "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "aq": "'", "dq": '"', "ga": "`", "aa": "´", "ha": "^", "ti": "~",
    "rs": "\\", "sl": "/", "at": "@", "sh": "#", "Do": "$", "ba": "|", "bv": "|", "or": "|", "br": "│", "lB": "[",
    "rB": "]", "lC": "{", "rC": "}", "la": "⟨", "ra": "⟩", "Fo": "«", "Fc": "»", "fo": "‹", "fc": "›", "bq": "„",
    "Bq": "„", "co": "©", "rg": "®", "tm": "™", "de": "°", "sc": "§", "ps": "¶", "dg": "†", "dd": "‡", "ct": "¢",
    "Eu": "€", "eu": "€", "Po": "£", "Ye": "¥", "->": "→", "<-": "←", "ua": "↑", "da": "↓", "<>": "↔", "rA": "⇒",
    "lA": "⇐", ">=": "≥", "<=": "≤", "!=": "≠", "==": "≡", "~=": "≅", "~~": "≈", "+-": "±", "if": "∞", "no": "¬",
    "mo": "∈", "es": "∅", "sr": "√", "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "/o": "ø", "/O": "Ø",
    "oA": "Å", "oa": "å", "r!": "¡", "r?": "¿", "12": "½", "14": "¼", "34": "¾", "S1": "¹", "S2": "²", "S3": "³",
    "sq": "□", "ci": "○", "lh": "☜", "rh": "☞", "OK": "✓", "ul": "_", "ru": "_", "rn": "‾", "bb": "¦", "tno": "¬",
    "md": "⋅", "pc": "·", "fm": "′", "sd": "″", "*a": "α", "*b": "β", "*g": "γ", "*d": "δ", "*e": "ε", "*l": "λ",
    "*m": "μ", "*p": "π", "*s": "σ", "*W": "Ω", "*w": "ω", "*D": "Δ", "mc": "µ", ":-": "", "nb": "⊄", "te": "∃",
    "fa": "∀", "AN": "∧", "OR": "∨", "+e": "ϵ", "-D": "Ð", "Sd": "ð", "TP": "Þ", "Tp": "þ", "lz": "◊", "bs": "",
    "lt": "⎧", "radicalex": "", "u2212": "−", "Cs": "¤",
}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", ":": "\u0308", "~": "\u0303", ",": "\u0327", "v": "\u030c"}
UNICODE = re.compile(r"u([0-9A-F]{4,6})((?:_[0-9A-F]{4,6})*)")


def plain(text: str) -> str:
    """Text with its escapes done; what only moves the pen or changes the type is left out."""
    return ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    if (one := match.group("one")) is not None:
        return SINGLE.get(one, "")
    if code := match.group("code"):
        return chr(int(code)) if int(code) < 0x110000 else ""
    if match.group("motion") == "h" and not match.group("inside").startswith("-"):
        return " "
    named = match.group("two") or match.group("name")
    return _named(named) if named else match.group("over") or match.group("zero") or ""


def _named(name: str) -> str:
    if name in NAMED:
        return NAMED[name]
    if unicode := UNICODE.fullmatch(name):
        points = [unicode.group(1), *filter(None, unicode.group(2).split("_"))]
        return unicodedata.normalize(
            "NFC", "".join(chr(int(point, 16)) for point in points if int(point, 16) < 0x110000)
        )
    if len(name) == 2 and name[0] in ACCENTS and name[1].isalpha():
        return unicodedata.normalize("NFC", name[1] + ACCENTS[name[0]])
    return name if len(name) == 1 else ""
