"""Make the example's data from a JSON Lines file of ICD-10-CM (optionally gzipped).

    python make_data.py SOURCE [FOLDER]

One line of SOURCE: {"code", "text", "chapter", "label", "includes": [inclusion terms]}.
Same source, same bytes out: the draw is seeded and no file holds a date.
"""

import argparse
import csv
import datetime
import gzip
import io
import itertools
import json
import random
import re
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from openpyxl import Workbook

SEED = 20260401
ROWS_PER_CHAPTER = 220
ROWS_PER_CATEGORY = 4
LONGEST_TEXT = 110
LONG_AGO = (2024, 1, 1, 0, 0, 0)
REFERENCE = re.compile(r"classif|listed in|categor|\b[A-Z]\d{2}\b|^conditions? |:", re.IGNORECASE)
GENERIC = {
    *("other", "others", "specified", "unspecified", "left", "right", "bilateral", "not", "elsewhere", "classified"),
    *("and", "or", "of", "the", "in", "with", "without", "type", "form", "forms", "site", "sites", "stage", "grade"),
    *("nos", "nec", "conditions", "condition", "multiple", "disease", "diseases", "disorder", "disorders", "eye"),
    *("limb", "due", "to", "upper", "lower", "part", "parts", "initial", "acute", "chronic", "primary", "secondary"),
    *("mild", "moderate", "severe", "first", "second", "third", "trimester", "symptoms", "signs", "general"),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    code: str
    text: str
    chapter: str
    label: str
    is_term: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "data")
    arguments = parser.parse_args()
    chance = random.Random(SEED)
    drawn = draw(read_source(arguments.source), chance)
    files = spread(drawn, chance)
    plant(files, chance)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.folder / "coding_desk_2024.csv", files["csv"])
    write_xlsx(arguments.folder / "clinic_export.xlsx", files["xlsx"])
    write_jsonl(arguments.folder / "helpdesk.jsonl", files["jsonl"])
    write_tsv(arguments.folder / "inclusion_terms.tsv", files["tsv"])
    shutil.copyfile(arguments.folder / "inclusion_terms.tsv", arguments.folder / "inclusion_terms_backup.tsv")
    categories = {row.code[:3] for rows in files.values() for row in rows}
    print({name: len(rows) for name, rows in files.items()}, sum(map(len, files.values())), "rows;", end=" ")
    print(len(categories), "categories")


def read_source(source: Path) -> list[Diagnosis]:
    """Every text of the classification that can stand alone: titles of codes and inclusion terms."""
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    return [
        Diagnosis(entry["code"], text, entry["chapter"], entry["label"], is_term)
        for entry in map(json.loads, content.decode("utf-8").splitlines())
        for text, is_term in [(entry["text"], False), *((term, True) for term in entry["includes"])]
        if stands_alone(text)
    ]


def stands_alone(text: str) -> bool:
    """False for texts that need their parent, cite other codes, or are long lists."""
    words = {word for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 2}
    return len(text) <= LONGEST_TEXT and not REFERENCE.search(text) and bool(words - GENERIC)


def draw(rows: list[Diagnosis], chance: random.Random) -> list[Diagnosis]:
    """At most 4 texts from a category and 220 from a chapter; every category once before any twice."""
    chapters: dict[str, dict[str, list[Diagnosis]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        chapters[row.chapter][row.code[:3]].append(row)
    drawn: list[Diagnosis] = []
    seen: set[str] = set()
    for chapter in sorted(chapters, key=int):
        piles = [pile for _, pile in sorted(chapters[chapter].items())]
        for pile in [*piles, piles]:
            chance.shuffle(pile)
        drawn.extend(itertools.islice(take_turns(piles, seen), ROWS_PER_CHAPTER))
    chance.shuffle(drawn)
    return drawn


def take_turns(piles: list[list[Diagnosis]], seen: set[str]) -> Iterator[Diagnosis]:
    """One row of every pile, then a second of every pile, and so on, never a text twice."""
    for pile in piles * ROWS_PER_CATEGORY:
        row = next((row for row in pile if row.text.casefold() not in seen), None)
        if row is not None:
            seen.add(row.text.casefold())
            yield row


def spread(rows: Iterable[Diagnosis], chance: random.Random) -> dict[str, list[Diagnosis]]:
    """Inclusion terms to the TSV; titles of codes over the desk's three other systems."""
    files: dict[str, list[Diagnosis]] = {"csv": [], "xlsx": [], "jsonl": [], "tsv": []}
    for row in rows:
        name = "tsv" if row.is_term else chance.choices(["csv", "xlsx", "jsonl"], weights=[45, 30, 25])[0]
        files[name].append(row)
    return files


def plant(files: dict[str, list[Diagnosis]], chance: random.Random) -> None:
    """The defects of real exports. What is planted where stands in README.md."""
    titles = [row for name in ("csv", "xlsx", "jsonl") for row in files[name]]
    repeats = chance.sample(titles, 110)
    shouted = [replace(row, text=row.text.upper()) for row in repeats[60:80]]
    spaced = [replace(row, text="  " + row.text.replace(" ", "  ", 1) + " ") for row in repeats[80:100]]
    garbled = [replace(row, text=garble(row.text)) for row in titles if garble(row.text) != row.text]
    files["csv"] += repeats[:30] + shouted + garbled
    files["xlsx"] += repeats[30:50] + spaced
    files["jsonl"] += repeats[50:60]
    for name, count in {"csv": 6, "xlsx": 4, "jsonl": 3, "tsv": 2}.items():
        chance.shuffle(files[name])
        for index in chance.sample(range(len(files[name])), count):
            files[name][index] = replace(files[name][index], label="")


def garble(text: str) -> str:
    """UTF-8 read as Windows-1252: what a careless import leaves."""
    return text.encode("utf-8").decode("cp1252", errors="replace")


def write_csv(path: Path, rows: list[Diagnosis]) -> None:
    """As a German or French Excel saves it: byte order mark, semicolons, CRLF; two rows broken by a bad paste."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(["Code", "Diagnosis", "Chapter", "Coder"])
    for index, row in enumerate(rows):
        coder = ("MH", "TS", "AK", "RB")[index % 4]
        if index in {400, 900}:
            writer.writerow([row.code, row.text])
        breaks = ", " in row.text and index % 25 == 0
        text = row.text.replace(", ", ",\n", 1) if breaks else row.text
        writer.writerow([row.code, text, row.label, coder])
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode("utf-8"))


def write_xlsx(path: Path, rows: list[Diagnosis]) -> None:
    """Two sheets with a header row each; zipped again so that no date gets in."""
    book = Workbook()
    book.remove(book.active)
    half = len(rows) * 3 // 5
    for title, part in {"Outpatient": rows[:half], "Inpatient": rows[half:]}.items():
        sheet = book.create_sheet(title)
        sheet.append(["ICD-10 code", "Diagnosis", "Chapter", "Site"])
        for index, row in enumerate(part):
            sheet.append([row.code, row.text, row.label or None, ("North", "South")[index % 2]])
    book.properties.created = book.properties.modified = datetime.datetime(*LONG_AGO)
    loose = io.BytesIO()
    book.save(loose)
    with zipfile.ZipFile(loose) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2024-01-01T00:00:00Z", content)
            member = zipfile.ZipInfo(name, date_time=LONG_AGO)
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, content)


def write_jsonl(path: Path, rows: list[Diagnosis]) -> None:
    """Conversations of the help desk in OpenAI's form; one line was cut off by a full disk."""
    lines = []
    for index, row in enumerate(rows):
        turns = [{"role": "user", "content": row.text}, {"role": "assistant", "content": row.label}]
        line = json.dumps({"code": row.code, "ticket": f"HD-{10_000 + index}", "messages": turns}, ensure_ascii=False)
        lines.append(line if index != 500 else line[: len(line) // 2])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_tsv(path: Path, rows: list[Diagnosis]) -> None:
    """Text, label and code, tab-separated."""
    lines = ["text\tlabel\tcode", *(f"{row.text}\t{row.label}\t{row.code}" for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
