"""A whole run: no raw value outside the corpus, and a person who is forgotten leaves every row."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from luthier.artifacts.folders import REPLACED, DatasetDir, ModelDir
from luthier.artifacts.rows import read_worded
from luthier.artifacts.tables import read_table
from luthier.cli.main import run as command
from luthier.errors import NotFoundError, UserError
from luthier.models.chat import load_wording
from luthier.pipeline.actions.forget import forget
from luthier.pipeline.run import run
from luthier.prepare.gather import FORGOTTEN
from luthier.prepare.private.forget import ForgetList, read_forget_list, write_forget_list

chat_only = pytest.mark.parametrize("objective", ["chat"], indirect=True)
JANE = "jane.doe@example.org"
PLANTED = (JANE, "DE89 3704 0044 0532 0130 00", "(415) 555-2671", "Tr0ub4dor&3", "4111 1111 1111 1111")


@pytest.fixture
def private_file(project_file: Path) -> Path:
    """The small project with private data in questions, answers, columns and a row that is dropped."""
    data = project_file.parent / "data" / "rows.csv"
    header, *lines = data.read_text().splitlines()
    for row, line in enumerate(lines):
        question, answer, topic = line.split(",")
        value = PLANTED[row % 11] if row % 11 < len(PLANTED) else ""
        asked = f"{question} password={value}" if value == PLANTED[3] else f"{question} {value}".strip()
        told = f"{answer} for {value}" if row in {0, 22} else answer
        lines[row] = f"{asked},{told},{topic},{value}"
    lines = [f"{header},contact", *lines, f"{JANE} asks,{JANE} asks,t2,"]
    data.write_text("\n".join(lines) + "\n")
    return project_file


def contents(folder: Path, base: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder, as bytes and, for tables, as rows and decoded token ids."""
    tokenizer = load_wording(base).tokenizer
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield path, path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            for row in read_table(path):
                yield path, json.dumps(row, ensure_ascii=False, default=str)
                yield path, tokenizer.decode(row["ids"]) if "ids" in row else ""


def leaks(run_folder: Path, base: Path, values: tuple[str, ...]) -> set[str]:
    """Files outside the corpus that hold one of the values."""
    found = set()
    for path, text in contents(run_folder, base):
        if path.relative_to(run_folder).parts[0] != "corpus" and any(value in text for value in values):
            found.add(path.relative_to(run_folder).as_posix())
    return found


@chat_only
def test_no_raw_value_leaves_the_corpus_and_a_forgotten_person_leaves_the_rows(private_file: Path) -> None:
    base = private_file.parent / "tiny-base"
    first = run(private_file).run
    assert leaks(first, base, PLANTED) == set()
    assert any("[EMAIL_" in text for _, text in contents(first / "dataset", base))
    digest = DatasetDir.open(first / "dataset").digest

    seen = forget(first, JANE, write=False)
    assert not (private_file.parent / ".luthier" / "forget.txt").exists()
    told = forget(first, JANE).values
    assert {**seen.values, "list": told["list"]} == told
    assert JANE not in json.dumps(told)
    assert JANE not in seen.text
    (code,) = told["codes"]
    trained = {row["id"] for row in told["rows"] if row["part"] == "train"}
    assert trained
    assert [(one["path"], one["rows"]) for one in told["models"]] == [(str(first / "model"), len(trained))]
    assert forget(first, JANE).values["new"] is False

    run(private_file, only="prepare")
    dataset = DatasetDir.open(first / "dataset")
    assert dataset.digest != digest
    used = [row for row in told["rows"] if not row["part"].startswith("dropped")]
    assert dataset.manifest.counts["dropped"][FORGOTTEN] == len(used) < len(told["rows"])
    now = [found for folder in ("dataset", "exam") for found in contents(first / folder, base)]
    assert [path.name for path, text in now if f"[{code}]" in text] == []
    left = {row.id for name in ("train", "validation") for row in read_worded(dataset.file(f"{name}.parquet"))}
    assert not left & {row["id"] for row in told["rows"]}
    again = forget(first, JANE).values
    assert {row["dataset"] for row in again["rows"]} == {str(path) for path in (first / REPLACED).glob("dataset-*")}
    # Nothing was trained since: the model still knows her, and is still named.
    assert [one["digest"] for one in again["models"]] == [ModelDir.open(first / "model").digest]


@chat_only
def test_forget_answers_in_json_and_refuses_what_it_cannot_do(
    private_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError):
        forget(private_file.parent, JANE)
    folder = run(private_file, only="collect").run
    with pytest.raises(NotFoundError, match=r"private\.key"):
        forget(folder, JANE)
    run(private_file, only="prepare")
    with pytest.raises(UserError, match="empty"):
        forget(folder, " ")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{JANE}\n"))
    with pytest.raises(SystemExit) as ended:
        command(["forget", str(folder), "--subject", "-", "--dry-run", "--json"])
    assert ended.value.code == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"]
    assert answer["list"] is None
    assert answer["models"] == []
    assert "nothing about this person" in forget(folder, "nobody@example.org").text


def test_a_forget_list_is_read_back_and_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "forget.txt"
    assert read_forget_list(path) == ForgetList()
    assert ForgetList().digest is None
    wanted = ForgetList(frozenset({"EMAIL_7K2QX"}), frozenset({"ab12"}))
    write_forget_list(path, wanted)
    assert read_forget_list(path) == wanted
    assert wanted.holds("ab12", [])
    assert wanted.holds("x", ["mail [EMAIL_7K2QX]"])
    assert not wanted.holds("x", ["mail [EMAIL_7K2QY]", "EMAIL_7K2QX"])
    path.write_text("codes EMAIL\n")
    with pytest.raises(UserError, match=r"forget\.txt:1"):
        read_forget_list(path)
