"""Ground truth of D7: clean texts that stand on every machine, and five kinds of damage, each row knowing its own.

Clean texts are real: the language reference and the docstrings of Python and of installed libraries (specifications),
what they say about one function, asked as a question (FAQs), and functions from Python's library (code).
"""

import ast
import importlib.util
import random
import re
import sysconfig
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.data._d7_foreign import SENTENCES

from luthier.prepare.clean.texts import CleanInput

LIBRARIES = ("numpy", "scipy", "sklearn")
SHORTEST, LONGEST = 80, 4_000
ANSWER = 1_200
SHARE = 0.05
FOREIGN = 220
"""Characters of the shortest text in another language: below 200 nobody should judge."""
TYPOGRAPHY = (("'", "’"), (" - ", " – "), ("--", "—"), ("...", "…"))
LOSSY = 0.02
"""Least share of characters that a lossy misreading destroys: fewer are a blemish, which nobody would put aside."""
HEADERS = (
    "ACME Industrial Systems | Internal knowledge base | Home | Search | Contact",
    "This page was printed on {day:02d}.03.2024 at {hour:02d}:15 by the document server",
    "You are here: Home > Library > Reference > Chapter {page}",
)
FOOTERS = (
    "Page {page} of 480",
    "Copyright 2024 ACME Industrial Systems. All rights reserved. Revision {page}",
    "Was this page helpful? Send your comments to the documentation team.",
    "The information in this document may change without notice\nand does not represent a commitment by the vendor.",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """One row, what is wrong with it, and what it should be."""

    row: CleanInput
    defect: str | None
    """None: a clean row."""
    sound: CleanInput
    """The row before it was damaged."""


def build(seed: int, *, rows: int) -> list[Planted]:
    """`rows` rows with the five defects; the same seed gives the same rows.

    Mojibake, loops and other languages are 5 % of the bytes of every source, the unit of the cap; broken answers and
    pages with boilerplate are 5 % of all rows.
    """
    chance = random.Random(seed)
    share = int(SHARE * rows)
    third = (rows - share) // 3
    short, long = ([row for row in questions() if _is_long(row) == wanted] for wanted in (False, True))
    kinds = [
        (documents(specifications(), "spec"), third),
        (short, third // 2),
        (long, third // 2),
        (documents(code(), "code"), third),
    ]
    pool = [row for kind, count in kinds for row in _sample(chance, kind, count)]
    chance.shuffle(pool)
    sources: dict[str, list[CleanInput]] = {}
    for row in pool:
        sources.setdefault(row.source, []).append(row)
    damaged: dict[str, Planted] = {}
    for members in sources.values():
        quota = SHARE * sum(row.size for row in members)
        for make, fits in ((mojibake, _has_typography), (loop, _is_long), (foreign, _is_long)):
            fitting = [row for row in members if row.id not in damaged and fits(row)]
            made = _up_to((make(chance, row) for row in fitting), quota)
            damaged.update({one.row.id: one for one in made})
    answers = [row for row in pool if row.id not in damaged and len((row.answer or "").split()) >= 12]
    damaged.update({row.id: broken_answer(chance, row) for row in answers[:share]})
    planted = [damaged.get(row.id) or Planted(row, None, row) for row in pool]
    specs = [row for row in pool if row.source.startswith("spec/")]
    planted += boilerplate(chance, specs, share)
    chance.shuffle(planted)
    return planted


def _up_to(made: Iterator[Planted], quota: float) -> Iterator[Planted]:
    """Rows up to this many bytes."""
    for one in made:
        quota -= one.row.size
        if quota < 0:
            return
        yield one


def _has_typography(row: CleanInput) -> bool:
    return _typographic(_whole(row)) != _whole(row)


def _is_long(row: CleanInput) -> bool:
    return len(_whole(row)) >= FOREIGN


def _whole(row: CleanInput) -> str:
    """What a row says: a document, or an answer."""
    return row.text if row.answer is None else row.answer


def _saying(row: CleanInput, text: str) -> CleanInput:
    return replace(row, text=text, fixed=()) if row.answer is None else replace(row, answer=text)


def specifications() -> Iterator[tuple[str, str, str]]:
    """(source, name, text): sections of the language reference, and docstrings of modules, classes and functions."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        paragraphs = topics[name].strip().split("\n\n")
        for start in range(0, len(paragraphs), 6):
            yield "reference", f"{name}-{start}.txt", "\n\n".join(paragraphs[start : start + 6])
    for source, _, name, docstring in docstrings():
        yield source, f"{name}.txt", docstring


@cache
def docstrings() -> list[tuple[str, str, str, str]]:
    """(source, name, qualified name, docstring) of Python's library and of installed libraries, read, not imported."""
    return list(_docstrings())


def _docstrings() -> Iterator[tuple[str, str, str, str]]:
    for source, path, where in sources():
        module = ".".join([source, *where.with_suffix("").parts])
        for node in definitions(path):
            docstring = ast.get_docstring(node)
            if docstring:
                name = getattr(node, "name", where.stem)
                yield source, name, f"{module}.{name}-{getattr(node, 'lineno', 0)}", docstring


def sources() -> Iterator[tuple[str, Path, Path]]:
    """(source, file, its place in the library) of everything but tests."""
    for source, folder in folders().items():
        for path in sorted(folder.rglob("*.py")):
            where = path.relative_to(folder)
            if not {"test", "tests", "site-packages", "idlelib", "lib2to3"} & set(where.parts):
                yield source, path, where


def code() -> Iterator[tuple[str, str, str]]:
    """(source, name, text) of functions and classes of Python's library."""
    folder = folders()["python"]
    for path in sorted(folder.glob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in definitions(path):
            if not isinstance(node, ast.Module):
                piece = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
                yield "library", f"{path.stem}-{node.lineno}.py", piece


def folders() -> dict[str, Path]:
    """Where the libraries stand."""
    found = {"python": Path(sysconfig.get_paths()["stdlib"])}
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = Path(spec.origin).parent
    return found


def definitions(path: Path) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    """The module, its classes and functions, and their methods."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef))


def documents(found: Iterator[tuple[str, str, str]], kind: str) -> list[CleanInput]:
    """Documents of a usual length; equal texts once."""
    texts = {text: (source, name) for source, name, text in found if SHORTEST <= len(text.strip()) <= LONGEST}
    return [
        CleanInput(
            f"{kind}:{source}/{name}",
            f"{kind}/{source}",
            f"{kind}/{source}/{name}",
            text.strip(),
            fixed=((0, len(text.strip())),) if kind == "code" else (),
        )
        for text, (source, name) in texts.items()
    ]


def questions() -> list[CleanInput]:
    """FAQs: what a name is for, answered by the first paragraphs of its docstring, short as they may be."""
    rows = {}
    for _, name, qualified, docstring in docstrings():
        answer = _first_paragraphs(docstring)
        if len(answer) >= 20 and not name.startswith("_"):
            rows[answer] = CleanInput(f"faq:{qualified}", "faq.csv", "faq.csv", f"What is {name} for?", answer)
    return list(rows.values())


def _first_paragraphs(docstring: str) -> str:
    """The prose before the first list, example or section, up to `ANSWER` characters, without what leads to them."""
    answer: list[str] = []
    for paragraph in docstring.split("\n\n"):
        if re.search(r">>>|----|====|::|^ {2}|^[-*:.]", paragraph, re.MULTILINE):
            introduces = answer and not answer[-1].endswith(".")
            return "\n\n".join(answer[:-1] if introduces else answer)
        plain = " ".join(paragraph.split())
        if len(plain) + sum(map(len, answer)) > ANSWER:
            break
        answer.append(plain)
    return "\n\n".join(answer)


def mojibake(chance: random.Random, row: CleanInput) -> Planted:
    """Typographic text read in a wrong encoding: once or twice, or with loss."""
    told = _typographic(_whole(row))
    if chance.random() < 0.25:
        told = _accented(chance, told)
        written, read = chance.choice([("latin-1", "utf-8"), ("utf-8", "ascii")])
        damaged = told.encode(written, "replace").decode(read, "replace")
    else:
        misread = chance.choice([_as_windows, lambda text: _as_windows(_as_windows(text)), _as_mac, _with_nulls])
        damaged = misread(told)
    return Planted(_saying(row, damaged), "mojibake", _saying(row, told))


def loop(chance: random.Random, row: CleanInput) -> Planted:
    """A text that begins soundly and then says the same again and again, as a model does that has lost its way."""
    whole = _whole(row)
    words = whole.split()
    phrase = " ".join(words[: min(chance.choice([1, 2, 5, 9, 15, 30]), 1 + len(words) // 8)])
    head = whole[: len(whole) // 4]
    # As long as the text was, so that the defects are 5 % of the bytes too.
    times = max(-(-22 // len(phrase.split())), -(-3 * len(whole) // (4 * len(phrase))))
    text = f"{head} {' '.join([phrase] * times)}"
    return Planted(_saying(row, text), "loops", row)


def foreign(chance: random.Random, row: CleanInput) -> Planted:
    """A text in another language than English."""
    language = chance.choice(sorted(SENTENCES))
    sentences = chance.sample(SENTENCES[language], k=10)
    whole = _whole(row)
    count = next(n for n in range(1, 11) if n == 10 or len(" ".join(sentences[:n])) >= max(FOREIGN, len(whole)))
    text = " ".join(sentences[:count])
    return Planted(_saying(row, text), "wrong language", row)


def broken_answer(chance: random.Random, row: CleanInput) -> Planted:
    """No answer, the question for an answer, the question before the answer, or an answer cut inside a word."""
    answer = row.answer or ""
    question = f"{row.text[:-1]} in Python's standard library, and when is it used?"
    kind = chance.randrange(4)
    if kind == 3:
        return Planted(replace(row, answer=_cut_inside_word(chance, answer)), "broken answer", row)
    told = ["", question.upper() if chance.random() < 0.5 else question, f"{question}\n{answer}"][kind]
    return Planted(replace(row, text=question, answer=told), "broken answer", replace(row, text=question))


def boilerplate(chance: random.Random, specs: list[CleanInput], count: int) -> Iterator[Planted]:
    """Pages of an intranet: each with some of the same headers and footers around a specification."""
    long = [row for row in specs if len(row.text) >= 1_000]
    for number in range(count):
        row, other = long[(2 * number) % len(long)], long[(2 * number + 1) % len(long)]
        values = {"page": number + 1, "day": number % 28 + 1, "hour": number % 24}
        heads = [line.format(**values) for line in HEADERS if chance.random() < 0.7]
        feet = [line.format(**values) for line in FOOTERS if chance.random() < 0.7]
        body = f"{row.text}\n\n{other.text}"
        name = f"intranet/{number}.html"
        sound = CleanInput(name, "intranet", name, body)
        text = "\n\n".join(["\n".join(heads), body, "\n".join(feet)]).strip()
        yield Planted(replace(sound, text=text), "boilerplate", sound)


def _cut_inside_word(chance: random.Random, answer: str) -> str:
    words = [found for found in re.finditer(r"[A-Za-z]{6,}", answer) if found.start() > len(answer) // 2]
    if not words:
        words = list(re.finditer(r"[A-Za-z]{4,}", answer))[-3:]
    chosen = chance.choice(words)
    return answer[: chance.randint(chosen.start() + 2, chosen.end() - 2)]


def _typographic(text: str) -> str:
    for plain, set_ in TYPOGRAPHY:
        text = text.replace(plain, set_)
    return text


def _accented(chance: random.Random, text: str) -> str:
    """As a text in a language with accents would be: some of its vowels carry them."""
    vowels = [place for place, letter in enumerate(text) if letter in "aeiou"]
    accented = set(chance.sample(vowels, k=min(len(vowels), 1 + int(LOSSY * len(text)))))
    return "".join("äéíöü"["aeiou".index(one)] if n in accented else one for n, one in enumerate(text))


def _as_windows(text: str) -> str:
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


def _as_mac(text: str) -> str:
    return text.encode().decode("mac-roman")


def _with_nulls(text: str) -> str:
    return text.encode("utf-16-le").decode("latin-1") if text.isascii() else _as_windows(text)


def _sample(chance: random.Random, rows: list[CleanInput], count: int) -> list[CleanInput]:
    return chance.sample(sorted(rows, key=lambda row: row.id), k=min(count, len(rows)))
