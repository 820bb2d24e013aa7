"""Every row of a dataset leads back: to the line of its file, or to the bytes it was cut from."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bases import write_base

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir, DatasetDir
from luthier.artifacts.rows import read_worded
from luthier.artifacts.tables import read_table
from luthier.cli.main import run as luthier
from luthier.models.chat import load_wording
from luthier.objectives import objective
from luthier.pipeline.actions.show import TABLES
from luthier.pipeline.run import run
from luthier.prepare.candidate import Books
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.refine import refine
from luthier.prepare.treat import Recipe, treat_document
from luthier.records import Document, Grid

PROJECT = """\
name: lineage
objective: {objective}
base: tiny-base
collect:
  sources: [data]
  accept_losses: true
prepare:
  split: {{group_by: {group_by}, validation: 0.2, exam: 0.2}}
"""
CODE = re.compile(r"\[[A-Z_]+_\w+\]")
LIVE = "Ask the office of pumps about it."


def words_of(text: str) -> list[str]:
    return CODE.sub(" ", text).split()


def project(folder: Path, *, objective: str, group_by: str) -> Path:
    file = folder / "luthier.yaml"
    file.write_text(PROJECT.format(objective=objective, group_by=group_by))
    run(file, only="collect")
    run(file, only="prepare")
    return folder / "runs" / "lineage"


def splits_of(run: Path) -> list[dict[str, Any]]:
    rows = read_table(DatasetDir.open(run / DatasetDir.kind).file("splits.parquet"))
    assert len({row["id"] for row in rows}) == len(rows)
    return rows


def shown(run: Path, row: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        luthier(["show", str(run), "--row", row, "--json"])
    assert not ended.value.code
    (found,) = json.loads(capsys.readouterr().out)["rows"]
    return dict(found)


def learnt_texts(run: Path, tokenizer_folder: Path) -> dict[str, str]:
    """Row id -> the text that is learnt, for training and validation."""
    tokenizer = load_wording(tokenizer_folder).tokenizer
    dataset = DatasetDir.open(run / DatasetDir.kind)
    rows = [row for table in TABLES for row in read_worded(dataset.file(table))]
    return {row.id: tokenizer.decode(row.ids, skip_special_tokens=True) for row in rows}


def zipped(members: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


@pytest.fixture
def home(tmp_path: Path, tiny_tokenizer_folder: Path) -> Path:
    write_base(tiny_tokenizer_folder, kind="llama")
    (tmp_path / "data").mkdir()
    return tmp_path


def test_every_row_of_a_row_file_leads_to_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [(f'What is part {n} "for"?\nSay it.', f"Part {n} holds wheel {n * 7}.") for n in range(60)]
    quoted = ['"' + cell.replace('"', '""') + '"' for pair in asked[:20] for cell in pair]
    table = "question,answer\n" + "".join(f"{quoted[n]},{quoted[n + 1]}\n" for n in range(0, 40, 2))
    objects = [json.dumps({"question": q, "answer": a}) for q, a in asked]
    files = {
        "two\nlines ü.csv": table.encode(),
        "a list.json": f"[{', '.join(objects[20:40])}]".encode(),
        "packed.zip": zipped({"in/rows.jsonl": "\n\n".join(objects[40:])}),
    }
    for name, content in files.items():
        (home / "data" / name).write_bytes(content)
    folder = project(home, objective="chat", group_by="question")
    texts, rows = learnt_texts(folder, home / "tiny-base"), splits_of(folder)
    assert len(rows) == 60
    sources = {
        name.replace("\n", "\\x0a"): content.decode() for name, content in files.items() if not name.endswith(".zip")
    }
    sources["packed.zip!/in/rows.jsonl"] = "\n\n".join(objects[40:])
    for row in rows:
        source = sources[row["file"]]
        begin = "\n".join(source.split("\n")[row["line"] - 1 :])
        assert row["at"].startswith(f"{row['file']}:{row['line']}")
        if row["part"] == "exam":
            continue
        part = re.findall(r"Part (\d+) holds", texts[row["id"]])[0]
        if row["file"] == "a list.json":
            nth = int((re.findall(r" \((\d+)\)$", row["at"]) or ["1"])[0])
            assert json.loads(source)[nth - 1]["answer"].startswith(f"Part {part} ")
        else:
            assert begin.index(f"part {part} ") < 30
        if int(part) % 10 == 0:
            life = shown(folder, row["id"], capsys)
            assert (life["file"]["path"], life["part"], life["id"]) == (row["file"], row["part"], row["id"])
            assert f"part {part} " in life["extracted"]
            assert shown(folder, row["at"], capsys) == life


def test_every_row_of_a_document_leads_to_its_bytes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "\n\n".join(f"Pump {n} needs oil {n * 3}, and größe {n} of its seal." for n in range(200))
    table = "# Prices\n\n| Part | Price |\n|---|---|\n" + "".join(f"| wheel{n} | {n * 11} |\n" for n in range(300))
    names = [f"{chr(97 + n)}ar{chr(122 - n)}ot" for n in range(25)]
    files = {f"{name}.md": f"# The {name}\n\nOur {name} turns when {name[::-1]} does.\n\n{LIVE}\n" for name in names}
    files |= {"long.txt": long, "table.md": table}
    files["mended.txt"] = "The pÃ³mp of Jane costs\u00ad less. Write to jane.roe@example.org, or call nobody."
    for name, content in files.items():
        (home / "data" / name).write_text(content)
    (home / "data" / "a.html").write_text("<!DOCTYPE html><html><body><p>Valve nine opens at noon.</p></body></html>")
    (home / "data" / "packed.zip").write_bytes(zipped({"note.txt": "Gasket seven is green and not for sale."}))
    folder = project(home, objective="complete", group_by="null")
    corpus = CorpusDir.open(folder / CorpusDir.kind)
    documents = {document.id: document for document in read_documents(corpus.file("documents.parquet"))}
    texts, rows = learnt_texts(folder, home / "tiny-base"), splits_of(folder)
    assert {row["file"] for row in rows} == {document.file for document in documents.values()}
    for row in rows:
        document = documents[row["document"]]
        extracted = document.text.encode()[row["start"] : row["end"]].decode()
        assert document.file == row["file"]
        assert document.text == files.get(row["file"], document.text)
        if row["part"] != "exam":
            assert_stands_in(words_of(texts[row["id"]]), extracted, document.text)
    some = [row for row in rows if row["part"] != "exam"][:: max(1, len(rows) // 8)]
    for row in some:
        life = shown(folder, row["id"], capsys)
        assert life["span"] == {name: row[name] for name in ("document", "start", "end")}
        assert_stands_in(words_of(life["text"]), life["extracted"], documents[row["document"]].text)


def assert_stands_in(words: Sequence[str], extracted: str, whole: str) -> None:
    """Words that nobody edited stand in the cited bytes; the header of a long table stands above each part of it."""
    header = {"|", "Part", "Price", "---", "|---|---|"}
    # A window can begin or end inside a word of many bytes.
    unedited = [word for word in words if word in whole and word not in header and "\ufffd" not in word]
    assert [word for word in unedited if word not in extracted] == []


WORDS = st.sampled_from(["pump", "oil", "wheel", "größe", "泵", "of", "17", "3.5", "x\u00adray", "pÃ³mp", "a\u200bb"])
PRIVATE = st.sampled_from(["jane.roe@example.org", "+1 212 555 0187", "4111 1111 1111 1111"])
SENTENCES = st.lists(st.one_of(WORDS, WORDS, WORDS, PRIVATE), min_size=1, max_size=12).map(" ".join)


@st.composite
def documents(draw: Any) -> list[Document]:
    """Five documents with a line in common, with headings, and with tables too long for one chunk."""
    found = []
    for number in range(5):
        text, headings, grids = "", [], []
        for place, sentence in enumerate(draw(st.lists(SENTENCES, min_size=1, max_size=4))):
            if place % 3 == 1:
                headings.append((len(text), 1 + place % 2, sentence))
            elif place % 3 == 2:
                rows = tuple((f"{sentence} {row}", row) for row in range(draw(st.sampled_from([2, 60]))))
                table = "| a | b |\n|---|---|\n" + "\n".join(f"| {one} | {other} |" for one, other in rows)
                grids.append(Grid("t", len(text), len(text) + len(table), ("a", "b"), rows))
                sentence = table
            text += f"{sentence}{draw(st.sampled_from(['', ' ' + sentence * 30]))}\n\n"
        text += draw(st.sampled_from([LIVE, "", f"{LIVE} Ã¼ber\n"])) + f"\n\nEnd of page {number}."
        found.append(
            Document(f"{number:064x}", f"{number}.md", "markdown", "", text, tuple(headings), grids=tuple(grids))
        )
    return found


@settings(max_examples=10, deadline=None)
@given(documents())
def test_the_words_of_every_chunk_stand_in_the_bytes_it_names(pages: list[Document]) -> None:
    recipe = Recipe(objective("complete"), CleanConfig().thresholds(), PrivateConfig(), PseudonymKey(b"k" * 32), Path())
    rules = recipe.rules()
    treated = [treat_document(page, recipe, rules) for page in pages]
    material = refine(treated, thresholds=recipe.thresholds, books=Books()).material
    known = {page.id: page.text for page in pages}
    for rooted in material.documents:
        for text in rooted.texts():
            (span,) = text.origin.spans
            whole = known[span.document]
            extracted = whole.encode()[span.start : span.end].decode()
            missing = [word for word in unedited(text.text, whole) if word not in extracted]
            assert set(missing) <= {"|", "a", "b", "|---|---|"}


def unedited(chunk: str, whole: str) -> Iterator[str]:
    """Words of a chunk that stand in the document as it was extracted."""
    return (word for word in words_of(chunk) if word in whole)
