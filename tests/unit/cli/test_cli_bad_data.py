"""Bad rows of every objective, from the command line: file and line, and exit code 3; or a counted drop."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_bases import write_base, write_tiny_tokenizer

from luthier.artifacts.tables import read_table
from luthier.cli.main import run
from luthier.prepare.wording.tags import UNALIGNED

PROJECT = """\
name: small
objective: {objective}
base: tiny-base
collect: {{sources: [data], labels: {labels}}}
prepare: {{split: {{group_by: n, validation: 0.2, exam: 0.3}}}}
"""
Row = dict[str, Any]


def tagged(number: int, start: int = 0, label: str = "PART") -> Row:
    return {"text": f"pump {number} broke down", "entities": [[start, 4, label]]}


def compared(number: int, worse: str = "No.") -> Row:
    return {"prompt": f"Is pump {number} old?", "chosen": f"Yes, {number}.", "rejected": worse}


def paired(number: int, positive: str = "a pump") -> Row:
    return {"query": f"part {number}", "positive": f"{positive} {number}" if positive else ""}


def asked(number: int, start: int = 4) -> Row:
    return {
        "question": f"What of {number}?",
        "context": f"The pump {number} broke.",
        "answers": {"text": ["pump"], "answer_start": [start]},
    }


def graded(number: int, gold: str = "", grader: str = "numeric") -> Row:
    return {"question": f"What is {number} + 1?", "answer": gold or f"{number + 1}", "grader": grader}


BAD: dict[str, tuple[str, Callable[[int], Row], Row, str]] = {
    "unknown tag": ("tag", tagged, tagged(7, label="PARD"), "label 'PARD' is not one of collect.labels"),
    "span beyond the text": (
        "tag",
        tagged,
        {"text": "pump", "entities": [[0, 9, "PART"]]},
        "marks 0 to 9 of a text of 4",
    ),
    "span in a word, everywhere": ("tag", lambda n: tagged(n, 1), tagged(7, 1), f"left: {UNALIGNED} (first at"),
    "an answer that is not there": ("extract", asked, asked(7, 5), "answers[0] is 'pump', but the text at 5 is 'ump '"),
    "one class beside a class of one row": (
        *("classify", lambda n: {"text": f"pump {n}", "label": "PART"}, {"text": "odd", "label": "WHOLE"}),
        "the only row of its label",
    ),
    "one class": (
        *("classify", lambda n: {"text": f"pump {n}", "label": "PART"}, {"text": "odd", "label": "PART"}),
        "one class only",
    ),
    "chosen is rejected": ("prefer", compared, compared(7, "Yes, 7."), "chosen and rejected are the same"),
    "chosen is rejected, to score": ("reward", compared, compared(7, "Yes, 7."), "chosen and rejected are the same"),
    "unknown grader": ("reinforce", graded, graded(7, grader="psychic"), "grader: there is no grader 'psychic'"),
    "missing gold": ("reinforce", graded, {**graded(7), "answer": ""}, "answer is empty"),
    "gold without a number": ("reinforce", graded, graded(7, gold="many"), "the gold 'many' holds no number"),
    "bad pattern": (
        *("reinforce", graded, {**graded(7), "grader": {"grader": "regex", "options": {"pattern": "("}}}),
        "grader: grader regex: pattern '('",
    ),
    "empty positive": ("embed", paired, paired(7, ""), "positive is empty"),
    "too long pair": ("embed", paired, paired(7, "word " * 200), "receipt R6 (length): 1 of 30 rows"),
    "too long answer": ("prefer", compared, compared(7, "word " * 200), "receipt R6 (length): 1 of 30 rows"),
}

OF_ALL = {"span in a word, everywhere", "one class"}
"""What is wrong with every row; the first that is met is named."""


@pytest.fixture
def prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str, list[Row]], tuple[int, str]]:
    """Collect and prepare rows; answers the exit code and what was said."""

    def call(objective: str, rows: list[Row]) -> tuple[int, str]:
        kind = "llama" if objective in {"prefer", "reward", "reinforce"} else "bert"
        write_base(write_tiny_tokenizer(tmp_path / "tiny-base"), kind=kind)
        (tmp_path / "data").mkdir()
        lines = [json.dumps({**row, "n": f"g{number}"}) + "\n" for number, row in enumerate(rows)]
        (tmp_path / "data" / "rows.jsonl").write_text("".join(lines))
        file = tmp_path / "luthier.yaml"
        file.write_text(PROJECT.format(objective=objective, labels="[PART, WHOLE]" if objective == "tag" else "[]"))
        code, before = 0, signal.getsignal(signal.SIGTERM)
        for stage in ("collect", "prepare"):
            with pytest.raises(SystemExit) as ended:
                run([stage, str(file)])
            code = int(ended.value.code or 0)
            if code:
                break
        signal.signal(signal.SIGTERM, before)
        return code, capsys.readouterr().err

    return call


@pytest.mark.parametrize("name", BAD)
def test_what_must_stop_is_told_with_file_and_line(prepared: Callable[..., tuple[int, str]], name: str) -> None:
    objective, make, bad, message = BAD[name]
    rows = [make(number) for number in range(30)]
    rows[7] = bad
    code, told = prepared(objective, rows)
    assert code == 3
    assert message in told
    assert ("rows.jsonl:" if name in OF_ALL else "rows.jsonl:8") in told


def test_one_row_that_cannot_be_tagged_is_counted_and_named(
    prepared: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rows = [tagged(number) for number in range(30)]
    rows[7] = tagged(7, start=1)
    code, _ = prepared("tag", rows)
    assert code == 0
    dropped = list(read_table(tmp_path / "runs" / "small" / "dataset" / "dropped.parquet"))
    assert [(row["rule"], row["at"]) for row in dropped if row["rule"] == UNALIGNED] == [(UNALIGNED, "rows.jsonl:8")]
