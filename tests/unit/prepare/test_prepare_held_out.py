"""Files that must never be learnt from."""

from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from prepare_corpora import chat, coded, document, label, origin

from luthier.artifacts.documents import write_documents
from luthier.artifacts.folders import CorpusDir, building
from luthier.artifacts.rows import read_items, read_worded, write_examples
from luthier.artifacts.tables import read_table
from luthier.collect.ledger import Entry, Refused, write_files
from luthier.errors import UserError
from luthier.models.bases import Base
from luthier.objectives import objective
from luthier.prepare.config import PrepareConfig, SplitConfig, Target
from luthier.prepare.prepared import Prepared
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.split.held_out import GIVEN_AWAY, HELD_OUT
from luthier.prepare.stage import prepare
from luthier.records import Chat, Document, Example, Message, Pair, Preference

Holding = Callable[..., Prepared]
ASKED = "Which valve closes the upper oil line of the second pump when the pressure falls below four bar?"
BENCH = [
    chat(ASKED, "Valve B7.", file="bench/pumps.jsonl", line=1),
    chat("Finding 5 number 1", "Class 0", file="bench/pumps.jsonl", line=2),
]


@pytest.fixture
def holding(tmp_path: Path, base: Base) -> Holding:
    """Prepare examples whose ledger names their files; equal `bytes_of` make files copies of each other."""

    def run(
        examples: Sequence[Example],
        *,
        held_out: Sequence[str],
        documents: Sequence[Document] = (),
        learn: str = "chat",
        bytes_of: dict[str, str] | None = None,
    ) -> Prepared:
        files = sorted({one.origin.file for one in examples} | {one.file for one in documents} | set(bytes_of or {}))
        entries = [Entry(one, 1, (bytes_of or {}).get(one, one), "csv", "rows@1", "ok") for one in files]
        with building(tmp_path / "run" / "corpus", CorpusDir, key="k", settings={}, inputs={}) as draft:
            write_examples(draft.path / "examples.parquet", examples)
            write_documents(draft.path / "documents.parquet", documents)
            write_files(draft.path / "files.parquet", entries)
            with Refused(draft.path / "rejects.parquet"):
                pass  # none
        target = Target(base, objective(learn), PseudonymKey(b"k" * 32), tmp_path)
        group_by = None if learn == "complete" else "question"
        config = PrepareConfig(split=SplitConfig(group_by=group_by, held_out=list(held_out)))
        return prepare(CorpusDir.open(tmp_path / "run" / "corpus"), target=target, config=config, out=tmp_path / "run")

    return run


def sheet_of(prepared: Prepared) -> dict:
    return orjson.loads(prepared.dataset.file("sheet.json").read_bytes())


def left(prepared: Prepared) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in read_table(prepared.dataset.file("dropped.parquet")):
        found.setdefault(row["rule"], []).append(row["at"])
    return {rule: sorted(places) for rule, places in found.items()}


def learnt(prepared: Prepared) -> set[str]:
    rows = [row for part in ("train", "validation") for row in read_worded(prepared.dataset.file(f"{part}.parquet"))]
    return {row.at for row in rows} | {item.at for item in read_items(prepared.exam.file("items.parquet"))}


@pytest.mark.parametrize("pattern", ["bench/pumps.jsonl", "bench", "bench/", "*.jsonl", "bench/p*"])
def test_rows_of_named_files_and_what_gives_them_away_are_never_learnt(holding: Holding, pattern: str) -> None:
    telling = [
        chat(ASKED.upper(), "Another answer.", file="a.csv", line=1),
        chat(f"{ASKED} Say it briefly.", "Valve B7.", file="a.csv", line=2),
        chat("What did they ask?", f"They asked: {ASKED.lower()}", file="a.csv", line=3),
    ]
    prepared = holding([*coded(30), *telling, *BENCH], held_out=[pattern])
    assert left(prepared) == {
        HELD_OUT: ["bench/pumps.jsonl:1", "bench/pumps.jsonl:2"],
        GIVEN_AWAY: ["a.csv:1", "a.csv:2", "a.csv:3", "codes.csv:18"],
    }
    assert not learnt(prepared) & {"a.csv:1", "a.csv:2", "a.csv:3", "codes.csv:18"}
    counts = prepared.dataset.manifest.counts
    assert counts["examples"] == 95 == len(learnt(prepared)) + sum(counts["dropped"].values()) + counts["merged"]
    held = next(rule for rule in sheet_of(prepared)["rules"] if rule["rule"] == GIVEN_AWAY)
    assert (held["rows"], held["setting"]) == (4, "prepare.split.held_out: []")


def test_wording_that_many_rows_share_gives_nothing_away(holding: Holding) -> None:
    frame = "Read the finding of the examination below with great care and say which class of the list it is in:"

    def framed(file: str, number: int) -> Chat:
        sign = " ".join(f"{file[0]}sign{number}x{place}" for place in range(25))
        return chat(f"{frame} {sign}", f"Class {number % 3}", file=file, line=number)

    rows = [framed(file, number) for file in ("a.csv", "bench.csv") for number in range(30)]
    assert {rule: len(places) for rule, places in left(holding(rows, held_out=["bench.csv"])).items()} == {HELD_OUT: 30}


def test_kinds_that_the_objective_does_not_learn_protect_too(holding: Holding) -> None:
    asked = (Message("user", ASKED),)
    bench = [
        Pair("Finding 4 number 0", "Class 1", (), None, origin("bench.csv", 1)),
        Preference(asked, (Message("assistant", "B7"),), (Message("assistant", "B8"),), origin("bench.csv", 2)),
    ]
    rows = [*coded(30), label(ASKED, "Class 1", line=900)]
    found = left(holding([*rows, *bench], held_out=["bench.csv"]))
    assert found[GIVEN_AWAY] == ["a.csv:900", "codes.csv:14"]


def test_a_copy_under_another_name_and_members_of_an_archive_are_held_out(holding: Holding) -> None:
    files = ["same [1].csv", "tests.zip!/x.csv", "old[2]/y.csv"]
    rows = [*coded(30), *(one for place, file in enumerate(files) for one in coded(1, file=file, first=40 + place))]
    prepared = holding(
        rows, held_out=["bench.csv", "tests.zip", "old[2]"], bytes_of={"same [1].csv": "s", "bench.csv": "s"}
    )
    assert {place.rpartition(":")[0] for place in left(prepared)[HELD_OUT]} == set(files)


def test_documents_keep_chunks_that_quote_them_out_of_training(holding: Holding) -> None:
    pages = [
        document(number, f"Page {number}. " + f"Oil pump {number} daily and note it. " * 40) for number in range(20)
    ]
    quote = document(30, f"Our own words first. {ASKED} And more of our own words to end this page with.")
    prepared = holding(
        [], documents=[*pages, quote, document(31, ASKED * 2)], held_out=["page-31.md"], learn="complete"
    )
    found = left(prepared)
    assert found[HELD_OUT] == ["page-31.md"]
    assert found[GIVEN_AWAY] == ["page-30.md:1"]


@pytest.mark.parametrize("pattern", ["bensch", "empty.csv"])
def test_a_name_that_protects_nothing_stops(holding: Holding, pattern: str) -> None:
    with pytest.raises(
        UserError, match=f"nothing was read from '{pattern}'.*Files with rows: bench/pumps.jsonl, codes"
    ):
        holding([*coded(30), *BENCH], held_out=["bench", pattern], bytes_of={"empty.csv": "e"})
