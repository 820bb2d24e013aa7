"""What the sheet tells a person to look at, from whole runs of prepare."""

from collections.abc import Callable
from typing import Any

import orjson
from prepare_corpora import chat, coded, document, origin

from luthier.artifacts.rows import read_items
from luthier.prepare.prepared import Prepared
from luthier.records import Tags

Preparing = Callable[..., Prepared]


ONE = "Close valve {} first, slowly, before anybody opens the wide filter below our second tank,"
OTHER = "because hot steam would else escape towards people who stand near its lower door and windows."
CODED = [f"{ONE.format(7)} {OTHER}", f"{OTHER} {ONE.format(8)}"]


def sheet_of(prepared: Prepared) -> dict[str, Any]:
    return orjson.loads(prepared.dataset.file("sheet.json").read_bytes())


def page_of(prepared: Prepared) -> str:
    return prepared.dataset.file("sheet.html").read_text()


def fact(number: int) -> str:
    return f"Unit alpha{number} of hall beta{number} takes grease gamma{number} after delta{number} hours."


def test_rows_that_say_the_same_in_other_words_are_shown_with_their_places(preparing: Preparing) -> None:
    pages = [document(number, fact(number)) for number in range(30)]
    pages += [
        document(90, "The pump at the north gate is leaking oil through its seal since Monday."),
        document(91, "Since Monday oil is leaking through the seal at the pump of its north gate."),
        *(document(place, text) for place, text in enumerate(CODED, start=92)),
    ]
    prepared = preparing([], objective_name="complete", documents=pages, group_by=None)
    found = sheet_of(prepared)["look_at"]["alike"]
    assert [sorted(row["at"] for row in one["rows"]) for one in found] == [["page-90.md:1", "page-91.md:1"]]
    assert found[0]["similarity"] >= 0.9
    exam = {item.at for item in read_items(prepared.exam.file("items.parquet"))}
    assert all((row["text"] == "(an exam item)") == (row["at"] in exam) for row in found[0]["rows"])
    assert "Rows that may say the same in other words" in page_of(prepared)


def test_repaired_tags_are_counted(preparing: Preparing) -> None:
    tagged = [Tags("Bach was born here.", (), origin("names.conll", number), repairs=number) for number in range(3)]
    prepared = preparing([*coded(60), *tagged])
    assert prepared.dataset.manifest.counts["edits"]["tags"] == 3
    assert sheet_of(prepared)["mended"]["tags"] == 3
    assert "3 illegal steps of tags" in page_of(prepared)


def test_alike_rows_of_one_question_are_not_news(preparing: Preparing) -> None:
    rows = [
        chat(f"What is thing{number}?", f"Answer {number}.", line=number, code=f"K{number}") for number in range(30)
    ]
    rows += [chat("What is thing1?", "Another.", line=40, code="K1")]
    assert sheet_of(preparing(rows, objective_name="chat", group_by="code"))["look_at"]["alike"] == []
