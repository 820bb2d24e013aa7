"""Raw text: documents become rows of text, and whole documents are held out."""

from collections.abc import Callable

from prepare_corpora import chat, document

from luthier.artifacts.rows import read_items, read_worded
from luthier.artifacts.tables import read_table
from luthier.models.chat import Wording, load_wording
from luthier.prepare.prepared import Prepared

Preparing = Callable[..., Prepared]


def pages(count: int, *, paragraphs: int = 6) -> list:
    return [
        document(
            number,
            "\n\n".join(f"Page {number}, point {point}: " + "Oil the pump. " * 60 for point in range(paragraphs)),
        )
        for number in range(count)
    ]


def test_every_document_is_on_one_side_and_every_row_leads_back_to_its_bytes(preparing: Preparing, base) -> None:
    documents = pages(40)
    prepared = preparing([chat("What?", "That.")], objective_name="complete", documents=documents, group_by=None)
    wording = load_wording(base.folder)
    texts = {one.file: one.text for one in documents}
    sides: dict[str, set[str]] = {}
    for part in ("train", "validation"):
        rows = read_worded(prepared.dataset.file(f"{part}.parquet"))
        sides[part] = {row.group for row in rows}
        for row in rows:
            assert row.trained == (False, *(True,) * (len(row.ids) - 1))
            assert said(wording, row.ids) in texts[row.group]
            assert row.answer_bytes == len(said(wording, row.ids).encode())
    items = read_items(prepared.exam.file("items.parquet"))
    sides["exam"] = {item.document for item in items}
    assert all(item.golds[0] in texts[item.document] and item.messages == () for item in items)
    assert all(sides.values())
    assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 40
    counts = prepared.dataset.manifest.counts
    assert counts["dropped"].pop("a conversation, which objective 'chat' would learn from") == 1
    assert (
        counts["examples"] + counts["windows"]
        == sum(counts[part] for part in sides) + sum(counts["dropped"].values()) + counts["merged"] + 1
    )


def test_a_text_longer_than_the_limit_is_read_in_windows_that_lose_nothing(preparing: Preparing, base) -> None:
    documents = pages(12, paragraphs=1)
    prepared = preparing([], objective_name="complete", documents=documents, group_by=None, max_length=200)
    wording = load_wording(base.folder)
    rows = [row for part in ("train", "validation") for row in read_worded(prepared.dataset.file(f"{part}.parquet"))]
    assert all(len(row.ids) <= 200 for row in rows)
    windows: dict[str, list[str]] = {}
    for row in rows:
        windows.setdefault(row.group, []).append(said(wording, row.ids))
    for one in documents:
        if one.file in windows:
            assert "".join(windows[one.file]).replace(" ", "") == one.text.replace(" ", "")
    assert prepared.dataset.manifest.counts["windows"] > 0


def test_documents_are_left_out_by_name_where_conversations_are_learnt(preparing: Preparing) -> None:
    rows = [chat(f"Question {number}?", f"Answer {number}", line=number, code=f"K{number}") for number in range(30)]
    prepared = preparing(rows, objective_name="chat", documents=pages(2), group_by="code")
    dropped = read_table(prepared.dataset.file("dropped.parquet"))
    assert [row["at"] for row in dropped if "objective 'complete'" in row["rule"]] == ["page-0.md", "page-1.md"]


def said(wording: Wording, ids: tuple[int, ...]) -> str:
    return wording.decode(ids[1:] if wording.start_id is not None else ids)
