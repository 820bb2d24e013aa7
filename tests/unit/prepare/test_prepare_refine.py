"""Cleaning and masking on the way: every row leads back to its bytes, and raw values stay in the corpus."""

import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prepare_corpora import chat, document, label

from luthier.artifacts.rows import read_worded
from luthier.artifacts.tables import read_table
from luthier.models.chat import load_wording
from luthier.objectives import objective
from luthier.prepare.candidate import Books
from luthier.prepare.clean.config import CleanConfig
from luthier.prepare.prepared import Prepared
from luthier.prepare.private.config import PrivateConfig
from luthier.prepare.private.pseudonym import PseudonymKey
from luthier.prepare.refine import refine
from luthier.prepare.treat import Recipe, treat_document

Preparing = Callable[..., Prepared]
RECIPE = Recipe(
    objective("complete"), CleanConfig().thresholds(), PrivateConfig(), PseudonymKey(b"k" * 32), home=Path()
)
RULES = RECIPE.rules()
LINES = st.lists(
    st.sampled_from(
        [
            "Write to jane.roe@example.org for help.",
            "Das Ã¶l muss jeden Monat gewechselt werden.",
            "A soft\u00adhyphen and a zero\u200bwidth space.",
            "# Heading\n",
            "The pump holds 4 litres; see page 12.",
            "Plain words only, nothing else here.",
            "\x07Bell\x00 and NUL.",
        ]
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(LINES)
def test_every_span_of_a_refined_document_leads_back_to_its_words(lines: list[str]) -> None:
    text = "\n\n".join(f"{line} ({number} of these.)" for number, line in enumerate(lines))
    offsets = [match.start() for match in re.finditer("# Heading", text)]
    headings = tuple((offset, 1, "Heading") for offset in offsets)
    given_document = document(1, text, headings=headings)
    treated = treat_document(given_document, RECIPE, RULES)
    refined = refine([treated], thresholds=RECIPE.thresholds, books=Books())
    raw = text.encode()
    for rooted in refined.material.documents:
        assert "jane.roe" not in rooted.document.text
        assert all(rooted.document.text.startswith("# Heading", offset) for offset, _, _ in rooted.document.headings)
        for chunk in rooted.texts():
            (span,) = chunk.origin.spans
            source = raw[span.start : span.end].decode()
            # What was neither mended nor masked stands in the span as it is.
            for number in re.findall(r"\((\d+) of these\.\)", chunk.text):
                assert f"({number} of these.)" in source
            assert source.count("of these.)") == chunk.text.count("of these.)")


def test_no_raw_value_is_written_and_one_person_has_one_code(preparing: Preparing) -> None:
    rows = [
        chat(
            f"Who treats patient {number}?", f"Ask jane.roe@example.org about {number}", line=number, code=f"K{number}"
        )
        for number in range(40)
    ]
    rows.append(chat("mail jane.roe@example.org", "mail jane.roe@example.org", line=99, code="K99"))  # leaves
    prepared = preparing(rows, objective_name="chat", group_by="code")
    for folder in (prepared.dataset.path, prepared.exam.path):
        for path in folder.rglob("*.parquet"):
            assert "jane.roe" not in str(read_table(path))
    trained = read_worded(prepared.dataset.file("train.parquet"))
    assert trained
    assert "EMAIL_" in str(read_table(prepared.dataset.file("dropped.parquet")))
    assert prepared.dataset.manifest.counts["private"] == {"email": 40}


def test_a_column_that_groups_is_masked_too(preparing: Preparing) -> None:
    rows = [
        label(
            f"Finding {number} of kind {number % 2}", f"Class {number % 2}", line=number, code=f"u{number}@example.org"
        )
        for number in range(60)
    ]
    prepared = preparing(rows, group_by="code")
    groups = {row["group"] for row in read_table(prepared.dataset.file("splits.parquet"))}
    assert len(groups) > 30
    assert all(re.fullmatch(r"\[EMAIL_[A-Z2-7]{5}\]", group) for group in groups)


def test_near_duplicates_leave_and_alike_questions_stay_together(preparing: Preparing, base: object) -> None:
    words = [f"word{number}" for number in range(40)]
    long = " ".join(words)
    rows = [
        label(f"Finding {number} lorem {number * 7}", f"Class {number % 2}", line=number, code=f"K{number}")
        for number in range(60)
    ]
    rows += [
        label(long, "Class 1", line=900, code="K900"),
        label(f"{long} more", "Class 1", line=901, code="K901"),
        label(" ".join([*words[:36], "other", "end"]), "Class 0", line=902, code="K902"),
    ]
    prepared = preparing(rows, group_by="code")
    dropped = [row for row in read_table(prepared.dataset.file("dropped.parquet")) if row["rule"] == "near-duplicate"]
    assert [row["at"] for row in dropped] == ["a.csv:900"]
    assert dropped[0]["score"] > 0.85
    group = {row["id"]: row["group"] for row in read_table(prepared.dataset.file("splits.parquet"))}
    assert group[dropped[0]["instead"]] == "K900"  # with its other likeness, whose label differs
    assert sum(name == "K900" for name in group.values()) == 2


def test_what_is_kept_public_stays(preparing: Preparing, tmp_path: Path, base) -> None:
    rows = [
        chat(f"Whom do I write about {number}?", "help@clinic.example", line=number, code=f"K{number}")
        for number in range(40)
    ]
    prepared = preparing(rows, objective_name="chat", group_by="code", private={"keep": ["help@clinic.example"]})
    wording = load_wording(base.folder)
    row = read_worded(prepared.dataset.file("train.parquet"))[0]
    assert "help@clinic.example" in wording.decode(row.ids)
