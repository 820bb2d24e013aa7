"""Definitions in languages with braces: C and its family, Java, JavaScript, Go, Rust, PHP, Perl, shell and others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.collect.readers.code_units import Definition

REMARKS = r"//[^\n]*|/\*.*?\*/"
QUOTED = r'"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`'
WORDS = {
    "like C": re.compile(rf"{REMARKS}|{QUOTED}|'(?:\\[^'\n]{{1,8}}|[^'\\\n])'", re.DOTALL),
    "slashes and quotes": re.compile(rf"{REMARKS}|{QUOTED}|'(?:\\.|[^'\\\n])*'", re.DOTALL),
    "hashes": re.compile(rf"(?<![^\s;(){{}}])#[^\n]*|{REMARKS}|{QUOTED}|(?<!\w)'[^'\n]*'", re.DOTALL),
}
"""Comments and strings: what looks like code in them is none."""
PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
HOLDER = re.compile(
    r"\b(?:class|struct|interface|enum|trait|impl|namespace|module|object|extension|protocol|record|union|message|service|"
    r"mod|actor)\b(?:\s*<[^{}]*?>)?\s+(?:(?:class|struct)\s+)?(?P<name>[^\W\d][\w.:$]*)"
    r"|\btype\s+(?P<typed>\w+)\s+(?:struct|interface)\b"
)
NAMED = re.compile(
    r"\b(?:function\*?|func|fn|fun|sub|def|rpc)\s+(?:\([^()]*\)\s*)?(?P<name>[^\W\d][\w.:$-]*)|"
    r"(?:\b(?:const|let|var|val|static)\s+)?(?P<assigned>[^\W\d][\w.$]*)\s*(?::[^=]{0,200})?(?:=|<-)\s*(?:async\s*)?"
    r"(?:function\b|\([^()]*\)\s*(?::[^=]{0,200})?=>\s*$|[^\W\d]\w*\s*=>\s*$)"
)
CALLABLE = re.compile(r"(?P<name>~?[^\W\d][\w:$.-]*|operator\s*[^\s(]{1,3})\s*(?:<[^<>(){}]*>)?\s*\(")
TAIL = re.compile(r"\s*(?:\w[\w\s,.<>&*?\[\]]*)?(?:(?::|->|where\b)[^=]*)?")
"""What may stand between the arguments and the brace: modifiers, exceptions, a return type, initialisers."""
CONTROL = re.compile(
    r"(?<![\w.])(?:if|for|while|switch|catch|return|else|do|synchronized|foreach|match|when|with|using|lock|unless|els?e?if|"
    r"until|guard|defer|select|case|loop|try|function|sizeof|await|new|throw|assert|and|or|not|describe|it|test)(?!\w)"
)
REMARK = re.compile(r"[ \t]*(?://|/\*|\*|#(?!include|if|endif|else|define|pragma|undef)|@|\[[A-Z]\w*.*\]\s*$)")
TYPE_LINE = re.compile(
    r"[ \t]*(?!(?:import|package|use|using|from|export)\b)(?:[^\W\d][\w:]*[ \t*&]+){0,4}[^\W\d][\w:]*[ \t*&]*"
    r"|template\b.*"
)
"""A return type on a line of its own, as in old C."""
MOST_HEAD = 2_000
"""Characters in front of a brace that are looked at."""


@dataclass(slots=True)
class _Block:
    start: int
    name: str
    is_holder: bool
    depth: int


def braced_definitions(text: str, *, family: str) -> list[Definition]:
    """Functions and classes with the comments and annotations right above; methods, but no inner functions.

    `family` is a key of WORDS.
    """
    seen = _without_words(text, family)
    found: list[Definition] = []
    stack: list[_Block] = []
    head = 0
    for match in re.finditer(r"[{};]", seen):
        place = match.start()
        if match.group() == "{":
            head = max(head, place - MOST_HEAD)
            stack.append(_opened(text, seen[head:place], head, stack))
        elif match.group() == "}" and stack:
            block = stack.pop()
            if block.name:
                found.append(Definition(block.start, _end(seen, place), block.name, block.depth))
        head = place + 1
    return found


def _without_words(text: str, family: str) -> str:
    """The text with comments, strings and preprocessor lines blanked, so that places stay."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    seen = WORDS[family].sub(blank, text)
    return seen if family == "hashes" else PREPROCESSOR.sub(blank, seen)


def _opened(text: str, head: str, offset: int, stack: Sequence[_Block]) -> _Block:
    """The block that a brace opens behind `head`, at `offset`. Nothing inside a function is a definition."""
    depth = sum(bool(block.name) for block in stack)
    if any(block.name and not block.is_holder for block in stack):
        return _Block(offset, "", False, depth)
    name, at, is_holder = _name(head)
    if not name:
        return _Block(offset, "", False, depth)
    return _Block(_with_remarks(text, offset + at), name, is_holder, depth)


def _name(head: str) -> tuple[str, int, bool]:
    """Name of what is defined, where in `head`, and whether it can hold definitions; an empty name if nothing is."""
    for match in [*NAMED.finditer(head)][-1:]:
        return match.group("name") or match.group("assigned"), match.start(), False
    holders = [match for match in HOLDER.finditer(head) if "(" not in head[: match.start()].rpartition("\n")[2]]
    if holders and "=" not in head[holders[-1].end() :]:
        return holders[-1].group("name") or holders[-1].group("typed"), holders[-1].start(), True
    return _called(head)


def _called(head: str) -> tuple[str, int, bool]:
    """`type name(arguments)` and the like: methods and functions of the C family and of shells."""
    for match in CALLABLE.finditer(head):
        before = head[: match.start()].rpartition("\n")[2]
        end = _closing(head, match.end())
        is_statement = set("=.()") & set(before) or CONTROL.search(before + match.group("name"))
        if end and not is_statement and TAIL.fullmatch(head, end):
            return match.group("name"), match.start(), False
    return "", 0, False


def _closing(head: str, at: int) -> int:
    """Behind the bracket that closes the arguments beginning at `at`; 0 if none does."""
    depth = 1
    for match in re.compile(r"[()]").finditer(head, at):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.end()
    return 0


def _with_remarks(text: str, place: int) -> int:
    """Where the definition at `place` begins, with the type line, comments and annotations that stand right above."""
    start = text.rfind("\n", 0, place) + 1
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        line = text[above : start - 1]
        if not (REMARK.match(line) or TYPE_LINE.fullmatch(line)):
            break
        start = above
    return start + len(text[start:place]) - len(text[start:place].lstrip())


def _end(seen: str, place: int) -> int:
    """Behind the closing brace and what ends its statement."""
    match = re.compile(r"\}[ \t]*[)\];,]*").match(seen, place)
    return match.end() if match else place + 1
