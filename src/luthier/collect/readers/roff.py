"""The part of roff that manual pages use: conditions, strings, registers and macros of their own (groff(7))."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from luthier.collect.readers.roff_escapes import plain
from luthier.collect.reading import UnreadableError

MOST_LINES = 2_000_000
"""Lines after all macros are replaced; more come from a macro that calls itself."""
REMARK = re.compile(r"(?<!\\)((?:\\\\)*)\\[\"#].*")
INTERPOLATED = re.compile(
    r"\\\\|\\(?P<kind>[*n])(?P<step>[+-]?)(?:\((?P<two>..)|\[(?P<long>[^\]\s]*)[^\]]*\]|(?P<one>.))"
)
CONTROL = re.compile(r"[.'][ \t]*(?P<name>[^\s\\]*)[ \t]*(?P<rest>.*)")
ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?[ \t]*|((?:\\[ ]|\\.|[^ \t\\]|\\$)+)[ \t]*')
PARAMETER = re.compile(r"\\\$(?:\((\d\d)|\[(\d+)\]|([1-9*@]))")
CONDITION = re.compile(
    r"\s*(?P<no>!*)\s*(?:(?P<letter>[ntoev])(?![\w(])|(?P<test>[drmcF])\s*(?P<what>\S+)|(?P<mark>['\"])(?P<left>.*?)(?P=mark)(?P<right>.*?)(?P=mark)|(?P<number>\S+))"
)
NUMBER = re.compile(r"\d+(?:\.\d+)?|<=|>=|==|[-+*/%<>=&:]")


@dataclass(frozen=True, slots=True)
class Request:
    """A line that asks for something: its name and arguments, whose escapes are not done yet."""

    name: str
    arguments: tuple[str, ...] = ()
    rest: str = ""
    """The arguments as one text."""


@dataclass(slots=True)
class Roff:
    """Reads a page line by line; conditions are decided for a terminal, the page's own macros are replaced."""

    strings: dict[str, str] = field(default_factory=lambda: {"R": "®", "Tm": "™", "lq": "“", "rq": "”"})
    registers: dict[str, int] = field(default_factory=lambda: {".g": 1})
    macros: dict[str, list[str]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    """Macros that are not replaced although the page defines them."""
    _waiting: list[str] = field(default_factory=list)
    _choices: list[bool] = field(default_factory=list)

    def read(self, text: str) -> "Iterator[Request | str]":
        """Requests, and lines of text whose escapes are not done yet."""
        self._waiting = list(reversed(re.split(r"\r\n|\r|\n", text)))
        count = 0
        while self._waiting:
            count += 1
            if count > MOST_LINES:
                raise UnreadableError("a macro of the page calls itself without end")
            line = REMARK.sub(r"\1", self._waiting.pop())
            while line.endswith("\\") and not line.endswith("\\\\") and self._waiting:
                line = line[:-1] + REMARK.sub(r"\1", self._waiting.pop())
            line = self._interpolated(line)
            control = CONTROL.fullmatch(line) if line.startswith((".", "'")) else None
            if control is None:
                yield line
            elif not self._obey(control.group("name"), control.group("rest")):
                yield Request(control.group("name"), arguments_of(control.group("rest")), control.group("rest"))

    def _obey(self, name: str, rest: str) -> bool:
        """Do what the language itself asks for; False for macros that print."""
        if name in {"if", "ie", "el"}:
            self._choose(name, rest)
        elif name in {"de", "de1", "am", "am1", "ig"}:
            words = rest.split()
            body = self._body(words[1] if len(words) > 1 and name != "ig" else ".")
            if words and name != "ig":
                self.macros[words[0]] = (self.macros.get(words[0], []) if name.startswith("am") else []) + body
        elif name in {"ds", "as"}:
            key, _, value = rest.partition(" ")
            value = value.lstrip(" ").removeprefix('"')
            self.strings[key] = (self.strings.get(key, "") if name == "as" else "") + value
        elif name == "als":
            new, old = [*rest.split(), "", ""][:2]
            self.macros[new] = self.macros.get(old, [f".{old} \\$@"])
        elif name == "nr":
            words = rest.split()
            if len(words) > 1:
                self.registers[words[0]] = int(_value(words[1].lstrip("+-")))
        elif name in self.macros and name not in self.known:
            arguments = arguments_of(rest)
            self._waiting += [_filled(line, arguments) for line in reversed(self.macros[name])]
        else:
            return name == ""
        return True

    def _body(self, end: str) -> list[str]:
        body = []
        while self._waiting:
            line = self._waiting.pop()
            if re.fullmatch(rf"[.'][ \t]*{re.escape(end)}[ \t]*(?:\\\".*)?", line):
                break
            body.append(line.replace("\\\\", "\\"))
        return body

    def _choose(self, name: str, rest: str) -> None:
        if name == "el":
            is_true, remainder = not (self._choices.pop() if self._choices else True), rest.lstrip()
        else:
            match = CONDITION.match(rest)
            is_true = match is not None and self._holds(match)
            remainder = rest[match.end() :].lstrip() if match else ""
            if name == "ie":
                self._choices.append(is_true)
        lines = self._branch(remainder)
        if is_true:
            self._waiting += reversed(lines)

    def _branch(self, first: str) -> list[str]:
        """The lines that belong to a condition: the rest of its own, or all up to the closing brace."""
        if not first.startswith("\\{"):
            return [first] if first else []
        lines = [first[2:]]
        depth = 1 + first[2:].count("\\{") - first.count("\\}")
        while depth > 0 and self._waiting:
            lines.append(self._waiting.pop())
            depth += lines[-1].count("\\{") - lines[-1].count("\\}")
        lines[-1] = re.sub(r"[.']?[ \t]*\\\}", "", lines[-1], count=1)
        return [line for line in lines if line.strip()]

    def _holds(self, match: re.Match[str]) -> bool:
        if letter := match.group("letter"):
            holds = letter in "no"
        elif test := match.group("test"):
            what = match.group("what")
            holds = {"d": what in self.strings or what in self.macros, "r": what in self.registers}.get(test, False)
        elif match.group("mark"):
            holds = match.group("left") == match.group("right")
        else:
            holds = _value(match.group("number")) > 0
        return holds != (len(match.group("no")) % 2 == 1)

    def _interpolated(self, line: str) -> str:
        for _ in range(5):
            replaced = INTERPOLATED.sub(self._interpolate, line)
            if replaced == line:
                break
            line = replaced
        return line

    def _interpolate(self, match: re.Match[str]) -> str:
        if match.group("kind") is None:
            return match.group()
        name = match.group("two") or match.group("long") or match.group("one")
        return self.strings.get(name, "") if match.group("kind") == "*" else str(self.registers.get(name, 0))


def arguments_of(rest: str) -> tuple[str, ...]:
    """The arguments of a macro: parted by spaces, quoted where they hold some."""
    found = []
    for match in ARGUMENT.finditer(rest):
        found.append(match.group(1).replace('""', '"') if match.group(1) is not None else match.group(2))
    return tuple(found)


def _filled(line: str, arguments: Sequence[str]) -> str:
    def argument(match: re.Match[str]) -> str:
        name = next(filter(None, match.groups()))
        if name in {"*", "@"}:
            return " ".join(arguments if name == "*" else (f'"{one}"' for one in arguments))
        return arguments[int(name) - 1] if 0 < int(name) <= len(arguments) else ""

    return PARAMETER.sub(argument, line).replace("\\n(.$", str(len(arguments))).replace("\\n[.$]", str(len(arguments)))


def _value(expression: str) -> float:
    """A numeric expression, from left to right as roff does it; 0 for what is none."""
    tokens = NUMBER.findall(plain(re.sub(r"\\w'([^']*)'", lambda match: str(len(match.group(1))), expression)))
    total, operator = 0.0, "+"
    for token in tokens:
        if not token[0].isdigit():
            operator = token
            continue
        number = float(token)
        total = {
            "+": total + number,
            "-": total - number,
            "*": total * number,
            "/": total / number if number else 0.0,
            "%": total % number if number else 0.0,
            "<": float(total < number),
            ">": float(total > number),
            "<=": float(total <= number),
            ">=": float(total >= number),
            "=": float(total == number),
            "==": float(total == number),
            "&": float(total > 0 and number > 0),
            ":": float(total > 0 or number > 0),
        }[operator]
    return total
