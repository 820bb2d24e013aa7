"""`luthier init`: what it says about a folder, and that its draft is a project."""

import csv
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.stage import collect
from luthier.config import load_settings
from luthier.errors import ConflictError, NotFoundError, UserError
from luthier.pipeline.actions.survey import PROJECT_FILE, draft_project, survey, write_project
from luthier.pipeline.project import ProjectConfig

EXAMPLE = Path(__file__).parents[3] / "examples" / "medical-coding" / "data"


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


def load_draft(folder: Path, text: str) -> ProjectConfig:
    path = folder / "draft.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(ProjectConfig, path)


def test_the_example_is_understood_without_help(tmp_path: Path) -> None:
    found = survey(EXAMPLE)
    config = load_draft(tmp_path, draft_project(found, source=str(EXAMPLE)))
    assert (config.objective, config.base) == ("classify", "minilm-l6")
    assert config.prepare.split.group_by == "code[:3]"
    assert config.collect.columns["question"] == ["Diagnosis"]
    assert config.collect.columns["answer"] == ["Chapter"]
    assert set(config.collect.columns["code"]) == {"Code", "ICD-10 code", "code"}
    assert "22 different answers in 4,404 rows" in found.objective_reason
    assert "1,812 groups" in found.group_reason
    corpus = collect([EXAMPLE], config=config.collect, out=tmp_path / "corpus")
    assert corpus.manifest.counts["rows"]["examples"] == found.examples == 4404


def test_free_answers_make_a_chat_grouped_by_the_column_that_repeats(tmp_path: Path) -> None:
    chance = random.Random(1)
    rows: list[list[object]] = [
        [f"C-{chance.randrange(60)}", f"How do I do thing {number}?", f"You do it like {number} says."]
        for number in range(300)
    ]
    write_csv(tmp_path / "tickets.csv", ["customer", "question", "answer"], rows)
    found = survey(tmp_path)
    assert (found.objective, found.group_by, dict(found.columns)) == ("chat", "customer", {})


def test_without_a_grouping_column_it_warns(tmp_path: Path) -> None:
    (tmp_path / "faq.jsonl").write_text(
        "".join(json.dumps({"prompt": f"Question {n}", "completion": f"Answer {n}"}) + "\n" for n in range(50))
    )
    found = survey(tmp_path)
    assert found.group_by == "question"
    assert "WARNING" in found.group_reason
    assert "too few groups for an exam" in found.group_reason


def test_unusual_columns_are_guessed_from_their_values(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [number, f"The pump makes noise number {number}", ("Mechanical fault", "Electrical fault")[number % 2], "AB"]
        for number in range(40)
    ]
    write_csv(tmp_path / "faults.csv", ["Nr", "Beschreibung", "Klasse", "Kürzel"], rows)
    found = survey(tmp_path)
    assert dict(found.columns) == {"question": ["Beschreibung"], "answer": ["Klasse"]}
    assert found.objective == "classify"


def test_prose_copies_and_unreadable_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text("# Guide\n")
    (tmp_path / "scan.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "a.csv").write_text("question,answer\nWhy?,So.\n")
    (tmp_path / "b.csv").write_text("question,answer\nWhy?,So.\n")
    draft = draft_project(survey(tmp_path))
    assert "guide.md" in draft
    assert "scan.png: no reader for" in draft
    assert "b.csv: same bytes as a.csv" in draft


def test_a_folder_of_documents_is_to_be_continued(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"page-{number}.md").write_text(f"# Page {number}\n\nSome words.\n")
    draft = draft_project(survey(tmp_path))
    assert "objective: complete\nbase: smollm2-135m\n" in draft
    assert "Documents: page-0.md" in draft
    assert "and 2 more" in draft
    assert "group_by: null" in draft


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "Hi {n}", "chosen": "Yo", "rejected": "Go"}, ("prefer", "smollm2-135m")),
        ({"prompt": "Hi {n}", "completion": "Yo", "label": True}, ("prefer", "smollm2-135m")),
        ({"question": "{n} + 1", "answer": "{n}", "grader": "numeric"}, ("reinforce", "smollm2-135m")),
        ({"text": "Rome {n}", "entities": [[0, 4, "PLACE"]]}, ("tag", "minilm-l6")),
        (
            {"context": "Rome {n}", "question": "Where?", "answers": {"text": ["Rome"], "answer_start": [0]}},
            ("extract", "minilm-l6"),
        ),
        ({"query": "q {n}", "positive": "p {n}"}, ("embed", "minilm-l6")),
        ({"sentence1": "a {n}", "sentence2": "b", "score": 0.5}, ("embed", "minilm-l6")),
        ({"premise": "a {n}", "hypothesis": "b", "label": "yes"}, ("classify", "minilm-l6")),
        ({"text": "a {n}", "labels": ["x", "y"]}, ("classify", "minilm-l6")),
    ],
)
def test_the_objective_follows_from_the_rows(tmp_path: Path, row: dict[str, object], expected: tuple[str, str]) -> None:
    rows = [json.dumps(row).replace("{n}", str(number)) + "\n" for number in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    config = load_draft(tmp_path, draft_project(survey(tmp_path)))
    assert (config.objective, config.base) == expected


def test_a_file_name_cannot_write_yaml(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\nWhy?,So.\n")
    (tmp_path / "x\nout: elsewhere\n.pdf").write_bytes(b"%PDF-1.7")
    assert load_draft(tmp_path, draft_project(survey(tmp_path))).out == "runs"


def test_init_writes_once_and_the_project_file_is_no_input(tmp_path: Path) -> None:
    folder = tmp_path / "My data (new)"
    folder.mkdir()
    (folder / "faq.csv").write_text("question,answer\nWhy?,So.\n")
    shown = write_project(folder)
    assert shown["value"]["project"] == str(folder / PROJECT_FILE)
    config = load_settings(ProjectConfig, folder / PROJECT_FILE)
    assert config.name == "My-data-new"
    corpus = collect([folder], config=config.collect, out=folder / "runs" / "x" / "corpus")
    assert corpus.manifest.counts["files"] | {"seen": 2, "ok": 1, "skipped": 1} == corpus.manifest.counts["files"]
    with pytest.raises(ConflictError, match="exists already"):
        write_project(folder)


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        survey(tmp_path / "nowhere")
    (tmp_path / "junk.csv").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"junk\.csv: named \.csv but holds binary data"):
        survey(tmp_path)
    assert not (tmp_path / PROJECT_FILE).exists()


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=5), st.lists(st.lists(WORD, min_size=5, max_size=5), min_size=1, max_size=8))
def test_any_table_drafts_a_project_that_loads(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], cells: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "data"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(dict(zip(header, row, strict=False))) + "\n" for row in cells * 10), encoding="utf-8"
    )
    config = load_draft(folder.parent, draft_project(survey(folder)))
    assert config.collect.sources == ["."]
