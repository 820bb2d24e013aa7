"""Questions made from held-out documents: whole, apart, hard to guess, and the same every time."""

import csv
import json
from collections import Counter
from collections.abc import Callable

import pytest
from prepare_corpora import PLACES, WORDS, document

from luthier.artifacts.rows import EXAMPLES, PASSAGES, read_items, read_worded, write_items, write_passages
from luthier.artifacts.sealed import examples_in, sources_in
from luthier.errors import UserError
from luthier.prepare.exam.cloze import cloze_questions
from luthier.prepare.exam.define import definition_questions, definitions_in
from luthier.prepare.exam.guess import GUESSED, guessed
from luthier.prepare.exam.make import make_items
from luthier.prepare.exam.order import order_questions
from luthier.prepare.exam.passage import Passage, Rarity
from luthier.prepare.exam.question import Material, Question
from luthier.prepare.exam.table import number_questions, table_questions
from luthier.prepare.exam.terms import terms_in
from luthier.prepare.facts import Taught, read_ledger
from luthier.prepare.leaks import check_leaks
from luthier.prepare.prepared import Prepared
from luthier.prepare.split.seal import check_seal
from luthier.records import Span

Preparing = Callable[..., Prepared]


def manual(number: int) -> str:
    """A page whose every paragraph ends in a number, a quantity or a name."""
    part, place = WORDS[number % 11], PLACES[number * 7 % 11]
    said = [
        f"The {part} that was delivered to the workshop in {place} is turned at a speed of {200 + 7 * number} rpm.",
        f"Before the {part} of this series is opened, its pressure must have fallen to {number + 3} bar.",
        f"Whoever replaces the {part} in {place} has to write it down under the name {part}_{place.lower()}_{number}.",
        f"In the year after that the inspectors of {place} found its defects to be {1000 + 13 * number}.",
    ]
    own = [" ".join(f"q{number * 97 + step * 31 + word:x}z" for word in range(20)) for step in range(4)]
    blocks = (f"{one}\n\nIts papers say {noise}." for one, noise in zip(said, own, strict=True))
    return f"## The {part} of {place} {number}\n\n" + "\n\n".join(blocks)


def passages(count: int = 24) -> list[Passage]:
    texts = [manual(number) for number in range(count)]
    return [
        Passage(f"row{n}", f"doc{n}", f"{n}.md:1", "", text, Span(f"d{n}", 10, 10 + len(text.encode())))
        for n, text in enumerate(texts)
    ]


def test_terms_are_told_apart_by_kind() -> None:
    text = "In Section 21.9 the map_name is 8 kB, then 4,000 VACUUM runs, see README for walSize and [EMAIL_7K2QX]"
    found = {(term.text, term.kind) for term in terms_in(text, 0, len(text))}
    assert {("map_name", "name"), ("8 kB", "quantity"), ("4,000", "number"), ("VACUUM", "capitals")} <= found
    assert ("walSize", "name") in found
    assert not any(text in {"21.9", "21", "9", "EMAIL_7K2QX"} for text, _kind in found)


def test_a_cloze_breaks_off_before_its_answer_and_its_wrong_answers_stand_in_other_documents_only() -> None:
    asked = passages()
    questions = list(cloze_questions(Material(asked, Rarity(asked), "SKILL", 20)))
    assert {"quantity", "number", "name"} <= {
        term.kind for one in questions for term in terms_in(one.gold, 0, len(one.gold))
    }
    for one in questions:
        held = one.passage.text
        assert held[one.start : one.end] == one.gold
        assert held[: one.start].rstrip().endswith(one.prompt[-30:])
        assert len(set(one.options)) == 4
        assert one.options.count(one.gold) == 1
        assert list(one.options) == sorted(one.options)
        assert not any(f" {wrong}" in held for wrong in one.options if wrong != one.gold)


def test_made_items_lead_back_to_their_bytes_and_no_document_holds_too_many() -> None:
    asked = passages()
    made = make_items(asked, Rarity(asked), claim="SKILL", tasks=["cloze"])
    texts = {one.document: one.text.encode() for one in asked}
    sizes = Counter(item.document for item in made.items)
    assert max(sizes.values()) <= 5
    assert max(sizes.values()) <= 0.25 * len(made.items)
    for item in made.items:
        assert item.span is not None
        assert texts[item.document][item.span.start - 10 : item.span.end - 10].decode() == item.golds[0]
        assert made.sources[item.id] == texts[item.document].decode()
    assert made.sources.keys() == {item.id for item in made.items}
    assert made.examples == []
    counts = made.counts["SKILL cloze"]
    assert counts["proposed"] == sum(counts[name] for name in ("guessed", "same", "surplus", "kept"))
    again = make_items(asked[::-1], Rarity(asked), claim="SKILL", tasks=["cloze"])
    assert (again.items, again.sources) == (made.items, made.sources)


@pytest.mark.parametrize("tells", [True, False])
def test_options_that_give_the_answer_away_are_noticed(tells: bool) -> None:
    asked = passages(20)
    rarity = Rarity(asked)
    words = ["alder", "birch", "cedar", "maple", "rowan", "aspen", "hazel", "beech"]
    questions = []
    for place, passage in enumerate(asked * 3):
        gold, *wrong = (words[(place + step) % 8] for step in range(4))
        said = gold + " and so on" if tells else gold
        questions.append(Question(passage, "cloze", "f", "Which?", said, 0, 1, tuple(wrong)))
    chances = guessed(questions, rarity)
    assert chances is not None
    assert (sum(chance > GUESSED for chance in chances) > 50) is tells


def test_prepare_seals_made_items_beside_the_text_and_keeps_them_out_of_the_books(preparing: Preparing) -> None:
    documents = [document(number, manual(number)) for number in range(30)]
    prepared = preparing([], objective_name="complete", documents=documents, group_by=None)
    items = read_items(prepared.exam.file("items.parquet"))
    made = [item for item in items if item.task == "cloze"]
    assert made
    assert {item.document for item in made} <= {item.document for item in items if item.task == "complete"}
    check_seal(prepared.dataset, prepared.exam)
    assert prepared.exam.manifest.counts["made"]["SKILL cloze"]["kept"] == len(made)
    assert prepared.exam.manifest.counts["items"] == len(items) - len(made) == prepared.dataset.manifest.counts["exam"]
    with prepared.exam.file("audit.csv").open(newline="") as sheet:
        assert {row["item"] for row in csv.DictReader(sheet)} == {item.id for item in made}
    assert "facts.parquet" not in prepared.exam.manifest.files
    without = preparing([], run="off", objective_name="complete", documents=documents, group_by=None, exam={"make": []})
    assert {item.task for item in read_items(without.exam.file("items.parquet"))} == {"complete"}
    assert not {"audit.csv", PASSAGES, EXAMPLES} & set(without.exam.manifest.files)
    assert sources_in(without.exam) == {}


def test_the_source_of_every_made_item_is_sealed_with_it(preparing: Preparing) -> None:
    documents = [document(number, f"{manual(number)}\n\n{manual(number + 40)}") for number in range(30)]
    exam = {"claim": "both", "make": ["cloze"]}
    prepared = preparing([], objective_name="complete", documents=documents, group_by=None, exam=exam)
    made = {item.id: item for item in read_items(prepared.exam.file("items.parquet")) if item.family}
    sources = sources_in(prepared.exam)
    assert sources.keys() == made.keys()
    assert all(item.golds[0] in sources[name] for name, item in made.items())
    examples = examples_in(prepared.exam)
    counts = prepared.exam.manifest.counts
    surplus = sum(told["surplus"] for name, told in counts["made"].items() if name.startswith("KNOWLEDGE"))
    assert len(examples) == surplus == counts["examples"] > 0
    assert not {one.id for one in examples} & made.keys()
    trained = {row.group for row in read_worded(prepared.dataset.file("train.parquet"))}
    assert {one.document for one in examples} <= trained
    sealed = json.loads(prepared.exam.file("seal.json").read_bytes())
    assert sealed["leaves"] == len(read_items(prepared.exam.file("items.parquet"))) + len(sources) + len(examples)
    check_seal(prepared.dataset, prepared.exam)
    write_passages(prepared.exam.file(PASSAGES), {**sources, min(sources): "Another text."})
    with pytest.raises(UserError, match="texts they were cut from, were changed after they were sealed"):
        check_seal(prepared.dataset, prepared.exam)
    write_passages(prepared.exam.file(PASSAGES), sources)
    write_items(prepared.exam.file(EXAMPLES), examples[1:])
    with pytest.raises(UserError, match="changed after they were sealed"):
        check_seal(prepared.dataset, prepared.exam)


def passage(number: int, text: str) -> Passage:
    return Passage(f"row{number}", f"doc{number}", f"{number}.md:1", "Manual", text, None)


def test_definitions_are_found_in_three_forms_and_vague_ones_are_not() -> None:
    text = (
        "## REVOKE\n\nREVOKE — remove access privileges from roles\n\nschema_name\n: The name of an existing schema. "
        "If it is left out, all count.\n\nA tsvector value is a sorted list of distinct lexemes. It is a list of words."
    )
    found = {(one.term, one.said, one.pattern) for one in definitions_in(passage(0, text))}
    assert found == {
        ("REVOKE", "remove access privileges from roles", "dashed"),
        ("schema_name", "The name of an existing schema", "listed"),
        ("A tsvector value", "a sorted list of distinct lexemes", "stated"),
    }


def test_wrong_definitions_are_of_other_terms_in_other_documents() -> None:
    asked = [
        passage(place, f"{word}\n: The {word} that the {other} of this machine needs.\n\n{place}_x\n: nothing")
        for place, (word, other) in enumerate(zip(WORDS, PLACES, strict=True))
    ]
    questions = list(definition_questions(Material(asked, Rarity(asked), "SKILL", 5)))
    assert len(questions) == len(asked)
    for one in questions:
        term = one.prompt.splitlines()[-2]
        assert one.prompt.endswith(f"{term}\n:")
        assert [option for option in one.options if term in option] == [one.gold]


def test_a_sentence_is_asked_for_by_the_one_before_it() -> None:
    asked = [
        passage(
            n,
            f"The {word} stands in the hall of {place} number {n}. It was bought for {place} long before {n} men came.",
        )
        for n, (word, place) in enumerate(zip(WORDS, PLACES, strict=True))
    ]
    questions = list(order_questions(Material(asked, Rarity(asked), "SKILL", 5)))
    assert {one.gold.split()[0] for one in questions} == {"It"}
    assert all(one.prompt.endswith(".") and one.gold not in one.prompt for one in questions)
    assert list(order_questions(Material(asked, Rarity(asked), "KNOWLEDGE", 5))) == []


def test_truths_of_tables_are_computed() -> None:
    rows = [("pump", "7", "1,200"), ("valve", "12", "80"), ("motor", "9", "95"), ("boiler", "31", "3,400")]
    table = "| Part | Mass | Price |\n| --- | --- | --- |\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
    asked = passage(0, f"Parts:\n\n{table}\n\nNo more.")
    found = {
        one.prompt.split("\n\n")[-1]: one for one in table_questions(Material([asked], Rarity([asked]), "SKILL", 50))
    }
    assert found["Part with the largest Mass:"].gold == "boiler"
    assert found["Part with the smallest Price:"].gold == "valve"
    cell = found["Part: motor\nPrice:"]
    assert (cell.gold, set(cell.options)) == ("95", {"95", "80", "1,200", "3,400"})
    assert asked.text[cell.start : cell.end] == "95"
    assert "| boiler | 31 | 3,400 |" in cell.prompt
    numbers = list(number_questions(Material([asked], Rarity([asked]), "KNOWLEDGE", 50)))
    assert {one.gold for one in numbers} == {cell for row in rows for cell in row[1:]}
    assert all("|" not in one.prompt and not one.options for one in numbers)


def test_knowledge_is_asked_about_trained_documents_and_its_facts_are_barred(preparing: Preparing) -> None:
    documents = [document(number, manual(number)) for number in range(30)]
    prepared = preparing(
        [],
        objective_name="complete",
        documents=documents,
        group_by=None,
        exam={"claim": "knowledge", "make": ["cloze"]},
    )
    items = read_items(prepared.exam.file("items.parquet"))
    known = [item for item in items if item.claim == "KNOWLEDGE"]
    skill = {item.document for item in items if item.claim == "SKILL"}
    trained = {row.group for row in read_worded(prepared.dataset.file("train.parquet"))}
    assert {item.document for item in known} <= trained - skill
    assert prepared.dataset.manifest.facts["claim"] == "KNOWLEDGE"
    check_leaks(prepared.dataset, prepared.exam)
    ledger = read_ledger(prepared.exam.file("facts.parquet"))
    for item in known:
        assert item.span is not None
        assert ledger.barred_by(Taught((item.span,), "Which?", item.golds[0])) is not None
        assert item.messages[0].content.count("\n\n") <= 1
