"""Inline macros of mdoc(7): a line of macros to words."""

from collections.abc import Sequence

from luthier.collect.readers.roff_escapes import plain

CLOSING = frozenset(".,:;)]?!")
OPENING = frozenset({"(", "["})
AROUND = {
    "Aq": ("<", ">"), "Bq": ("[", "]"), "Brq": ("{", "}"), "Dq": ("“", "”"), "Pq": ("(", ")"), "Qq": ('"', '"'),
    "Sq": ("‘", "’"), "Ql": ("‘", "’"), "Op": ("[", "]"), "En": ("", ""),
}  # fmt: skip
"""Macros that enclose the rest of the line."""
OPENERS = {
    "Ao": "<", "Bo": "[", "Bro": "{", "Do": "“", "Po": "(", "Qo": '"', "So": "‘", "Oo": "[", "Xo": "", "Eo": "",
}  # fmt: skip
CLOSERS = {
    "Ac": ">", "Bc": "]", "Brc": "}", "Dc": "”", "Pc": ")", "Qc": '"', "Sc": "’", "Oc": "]", "Xc": "", "Ec": "",
}  # fmt: skip
SYSTEMS = {
    "Ux": "UNIX", "Bx": "BSD", "Bsx": "BSD/OS", "Nx": "NetBSD", "Fx": "FreeBSD", "Ox": "OpenBSD", "Dx": "DragonFly",
    "At": "AT&T UNIX",
}  # fmt: skip
PLAIN = "Ad|An|Ar|Cd|Cm|Dv|Em|Er|Ev|Fa|Fl|Fn|Ft|Fr|Hf|Ic|In|Lb|Li|Lk|Ms|Mt|Nm|No|Ot|Pa|Sx|Sy|Tn|Va|Vt|Xr|St|Pf|Ns|Ap|Ta"
"""Macros that only set the type of their arguments, or write them in a way of their own."""
CALLABLE = frozenset({*PLAIN.split("|"), *AROUND, *OPENERS, *CLOSERS, *SYSTEMS})
DEFAULTS = {"Ar": "file ...", "Pa": "~", "Li": "", "Mt": "~"}


class MdocWords:
    """Builds running text; words are parted by a space unless a macro or a mark says otherwise."""

    def __init__(self) -> None:
        self.name = ""
        """What `.Nm` stands for."""
        self.open_heads = 0
        """How many `Xo` wait for their `Xc`."""
        self._text = ""
        self._is_glued = True
        self._is_spaced = True

    def set_spaced(self, is_spaced: bool) -> None:
        """Part words by spaces, or not; the next word still stands apart."""
        self._is_spaced = is_spaced
        self._is_glued = not self._text

    def take(self) -> str:
        """The text so far; the next begins anew."""
        text, self._text, self._is_glued = self._text, "", True
        return text

    def text(self, line: str) -> None:
        """Add a line of text."""
        self._add(plain(line))

    def line(self, macro: str, arguments: Sequence[str]) -> None:
        """Add the words of a macro with its arguments, some of which are macros themselves."""
        self._macro(macro, list(arguments))

    def _macro(self, macro: str, rest: list[str]) -> None:
        self.open_heads += {"Xo": 1, "Xc": -1}.get(macro, 0)
        if macro in AROUND:
            opening, closing = AROUND[macro]
            self._add(opening)
            self._is_glued = self._is_glued or bool(opening)
            after = _trailing(rest)
            self._words(rest[: len(rest) - len(after)])
            self._add(closing, glue=True)
            self._words(after)
        elif macro in OPENERS:
            self._add(OPENERS[macro])
            self._is_glued = self._is_glued or bool(OPENERS[macro])
            self._words(rest)
        elif macro in CLOSERS:
            self._add(CLOSERS[macro], glue=True)
            self._words(rest)
        elif macro == "Ns":
            self._is_glued = True
            self._words(rest)
        elif macro == "Ap":
            self._add("'", glue=True)
            self._is_glued = True
            self._words(rest)
        elif macro == "Pf" and rest:
            self._add(rest[0])
            self._is_glued = True
            self._words(rest[1:])
        elif macro == "Ta":
            self._text += "\t"
            self._is_glued = True
            self._words(rest)
        else:
            own = next((number for number, word in enumerate(rest) if word in CALLABLE), len(rest))
            self._inline(macro, rest[:own])
            self._words(rest[own:])

    def _words(self, rest: list[str]) -> None:
        for number, word in enumerate(rest):
            if word in CALLABLE:
                self._macro(word, rest[number + 1 :])
                return
            self._mark_or_word(word)

    def _inline(self, macro: str, words: list[str]) -> None:
        """A macro with its own arguments, without those that are macros."""
        while words and words[0] in OPENING:
            self._mark_or_word(words.pop(0))
        after = _trailing(words)
        own = words[: len(words) - len(after)]
        if macro in SYSTEMS:
            own = [" ".join([SYSTEMS[macro], *own])]
        elif macro == "Nm" and (not own or own == [""]):
            own = [self.name] if self.name else []
        elif macro == "Fl":
            own = [f"-{word}" for word in own] or ["-"]
        elif macro == "Xr" and own:
            own = [f"{own[0]}({own[1]})" if len(own) > 1 else own[0]]
        elif macro == "Fn" and own:
            own = [f"{own[0]}({', '.join(own[1:])})"]
        elif macro == "In":
            own = [f"<{word}>" for word in own]
        elif macro == "Lb" and own:
            own = [f"library “{own[0]}”"]
        elif macro == "Lk" and len(own) > 1:
            own = [f"{' '.join(own[1:])}: {own[0]}"]
        elif not own and macro in DEFAULTS:
            own = [DEFAULTS[macro]]
        for word in [*own, *after]:
            self._mark_or_word(word)

    def _mark_or_word(self, word: str) -> None:
        if word in CLOSING:
            self._add(word, glue=True)
        elif word in OPENING:
            self._add(word)
            self._is_glued = True
        elif word == "|":
            self._add(word)
        else:
            self._add(plain(word))

    def _add(self, words: str, *, glue: bool = False) -> None:
        if not words:
            return
        self._text += words if glue or self._is_glued else f" {words}"
        self._is_glued = not self._is_spaced


def _trailing(words: Sequence[str]) -> list[str]:
    count = 0
    while count < len(words) and words[-1 - count] in CLOSING:
        count += 1
    return list(words[len(words) - count :])
