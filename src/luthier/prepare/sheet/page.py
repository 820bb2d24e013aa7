"""sheet.html: the numbers of the sheet as a person reads them."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from luthier.artifacts.page import render
from luthier.prepare.clean.language import UNKNOWN

COLOURS = {"total": "tuned", "gone": "bad", "held": "base"}
RECEIPTS = {
    "R1": "every row has something to learn",
    "R2": "what is learnt is what was said",
    "R3": "the start token stands once",
    "R4": "every answer ends with its end of turn",
    "R5": "trained and served prompts are equal",
    "R6": "no answer is cut",
    "R8": "no message is missing",
    "R9": "template and tokenizer are recorded",
    "R11": "the tokenizer knows the text",
    "R12": "every class has training rows",
}
MEANINGS = {
    "labels": (
        "Labels that may be wrong",
        "A simple model that never saw the row would choose another label. Mend the row if the suggestion is right.",
    ),
    "conflicts": ("One question, several answers", "Nearly equal texts with different labels: they left the exam."),
    "triggers": (
        "Phrases that decide alone",
        "A rare phrase comes with one answer, although the rest of the text speaks for another and never calls for the "
        "phrase: somebody may have planted it.",
    ),
    "orders": ("Text that speaks to a model", "Instructions or hidden characters inside the data."),
    "outliers": ("Rows unlike the others", "Far from their nearest neighbours by the words they use."),
    "alike": (
        "Rows that may say the same in other words",
        "By the words they use and what these words go with, though not word for word. If they do say the same, group "
        "them (prepare.split.group_by) or take one out.",
    ),
    "reworded": (
        "Exam items that training may know in other words",
        "Same answer, similar question. If they ask the same, group them: prepare.split.group_by.",
    ),
    "unusual": (
        "Rows that the base finds unusually hard or easy",
        "By its nats per byte of what is learnt. Hard ones may be damaged, easy ones known by heart or empty talk. "
        "Asked for by prepare.clean.likelihood.",
    ),
    "unhelpful": (
        "Answers that their question does not help",
        "The base foretells the answer no better with its question than alone: the two may not belong together. Asked "
        "for by prepare.clean.helpful_questions.",
    ),
    "relevance": (
        "Rows far from the domain",
        "They resemble the other sources more than the domain's. Asked for by prepare.clean.relevance.",
    ),
}

LEFT = {
    "guessed": "can be guessed from their options alone",
    "same": "ask the same again",
    "surplus": "beyond what one document may hold",
}
"""Why questions that were proposed are not asked."""


def render_sheet(sheet: Mapping[str, Any]) -> bytes:
    """The page as UTF-8; the same sheet gives the same bytes."""
    template = files("luthier.prepare.sheet").joinpath("sheet.html.jinja").read_text(encoding="utf-8")
    rows = sheet["rows"]
    return render(
        template,
        about={"name": sheet["about"]["objective"], **sheet["about"]},
        lead=_lead(sheet),
        remarks=_remarks(sheet),
        waterfall=_bars([(step["step"], step["rows"], COLOURS[step["kind"]]) for step in sheet["waterfall"]], "Rows"),
        files=sheet["files"],
        rules=sheet["rules"],
        duplicates=sheet["duplicates"],
        private=sheet["private"],
        split=sheet["split"],
        split_lines=_split_lines(sheet),
        suspicions=_suspicions(sheet["look_at"]),
        rows=rows,
        rows_lead=f"{rows['tokens']:,} tokens, {rows['trained_tokens']:,} learnt; longest row {rows['longest']:,}.",
        lengths=_bars([(f"up to {bar['up_to']:,} tokens", bar["rows"], "tuned") for bar in rows["lengths"]], "Lengths"),
        facts=_facts(sheet),
    )


def _lead(sheet: Mapping[str, Any]) -> str:
    files_read = sum(counts["files"] for counts in sheet["files"]["outcomes"].values())
    start, end = sheet["waterfall"][0]["rows"], sheet["waterfall"][-1]["rows"]
    exam = sheet["split"]["rows"]["exam"]
    return f"{files_read:,} files gave {start:,} rows. {end:,} are trained on; {exam:,} are sealed for the exam."


def _remarks(sheet: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What holds and what to look at, in one line each."""
    outcomes = sheet["files"]["outcomes"]
    lost = sum(outcomes[name]["files"] for name in ("failed", "unsupported", "scanned") if name in outcomes)
    refused = sheet["files"]["rejects"]["rows"]
    found = [("passed", "Every file was read.") if not lost else ("open", f"{lost:,} files could not be read.")]
    found += [("open", f"{refused:,} rows were refused; why is told under Files.")] if refused else []
    held = [rule for rule in sheet["rules"] if rule["held"]]
    found += [("open", f"{len(held)} rules were not applied; see why below.")] if held else []
    private = sum(one["count"] for one in sheet["private"]["found"])
    found += [("passed", f"{private:,} private values were found and treated.")] if private else []
    found += [("passed", "No exam item is left in the training rows."), ("passed", "All receipts hold.")]
    return [*found, *(("open", warning) for warning in sheet["warnings"])]


def _split_lines(sheet: Mapping[str, Any]) -> list[str]:
    split, copied = sheet["split"], sheet["look_at"]["copy_baseline"]
    kinds = ", ".join(f"{name} {count:,}" for name, count in split["leaks_removed"].items())
    lines = [
        f"{split['leaking_items']:,} questions left the exam before it was sealed, because other rows give them away "
        f"(pairs by kind: {kinds}). None is left."
        if kinds
        else "No row gives an exam question away."
    ]
    if copied["items"] and not copied["text"]:
        share = copied["right"] / copied["items"]
        kind = "a baseline to beat" if copied["closed_set_of_answers"] else "at most 25 % may be"
        lines.append(f"Copying the answer of the most similar training question gets {share:.0%} right ({kind}).")
    for task, counts in split["made"].items():
        left = ", ".join(f"{counts[name]:,} {said}" for name, said in LEFT.items() if counts[name])
        lines.append(
            f"{counts['kept']:,} of {counts['proposed']:,} questions made from documents were sealed ({task})"
            f"{f'; the others: {left}' if left else ''}."
        )
    if split["planted"]["rows"]:
        share = split["planted"]["rows"] / split["rows"]["train"]
        lines.append(
            f"{split['planted']['secrets']} made-up secrets were planted in {split['planted']['rows']:,} training rows "
            f"({share:.1%} of them), to measure how well they are remembered."
        )
    if split["largest_groups"]:
        lines.append(f"Largest groups: {', '.join(f'{size:,}' for size in split['largest_groups'])} rows.")
    return lines


def _suspicions(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    likelihood = found["likelihood"] or {}
    unusual, unhelpful = (likelihood.get(name) or {"rows": 0, "first": []} for name in ("unusual", "unhelpful"))
    parts = {
        "labels": [
            (f"{one['at']} · '{one['label']}', or rather '{one['suggestion']}' ({one['suggested']:.0%})", [one["text"]])
            for one in (found["labels"] or {"first": []})["first"]
        ],
        "conflicts": [
            (" / ".join(one["labels"]), [f"{row['at']}: {row['text']}" for row in one["rows"]])
            for one in found["conflicts"]
        ],
        "triggers": [
            (
                f"“{one['phrase']}” -> “{one['answer']}” in {one['rows']:,} rows",
                [f"{row['at']}: {row['text']}" for row in one["first"]],
            )
            for one in found["triggers"]
        ],
        "orders": [(f"{one['at']} · {one['kind']}", [one["text"]]) for one in found["orders"]],
        "outliers": [(f"{one['at']} · distance {one['distance']:.2f}", [one["text"]]) for one in found["outliers"]],
        "alike": [
            (f"similarity {one['similarity']:.2f}", [f"{row['at']}: {row['text']}" for row in one["rows"]])
            for one in found["alike"]
        ],
        "reworded": [
            (f"similarity {one['similarity']:.2f}", [f"exam item of {one['item_at']}; training row {one['at']}"])
            for one in found["reworded"]
        ],
        "unusual": [
            (
                f"{one['at']} · {one['nats_per_byte']:.2f} nats per byte, median {likelihood['median']:.2f}",
                [one["text"]],
            )
            for one in unusual["first"]
        ],
        "unhelpful": [(f"{one['at']} · {one['ratio']:.2f}", [one["text"]]) for one in unhelpful["first"]],
        "relevance": [(f"{one['at']} · {one['score']:.2f}", [one["text"]]) for one in found["relevance"]],
    }
    counts = {name: len(lines) for name, lines in parts.items()} | found["counts"]
    counts |= {"labels": (found["labels"] or {"suspects": 0})["suspects"]}
    counts |= {"unusual": unusual["rows"], "unhelpful": unhelpful["rows"]}
    return [
        {
            "title": MEANINGS[name][0],
            "meaning": MEANINGS[name][1],
            "count": f"{counts[name]:,}",
            "more": f"The first {len(lines)} of {counts[name]:,}." if len(lines) < counts[name] else "",
            "lines": lines,
        }
        for name, lines in parts.items()
        if lines
    ]


def _facts(sheet: Mapping[str, Any]) -> list[tuple[str, str]]:
    receipts = [
        (f"{name}: {RECEIPTS.get(name, '')}", ", ".join(_counted(key, value) for key, value in counts.items()))
        for name, counts in sorted(sheet["rows"]["receipts"].items(), key=lambda one: int(one[0][1:]))
    ]
    told = {name.replace(UNKNOWN, "too short to tell"): count for name, count in sheet["languages"].items()}
    languages = ", ".join(f"{name} {count:,}" for name, count in told.items()) or "-"
    labels = [("Labels", ", ".join(f"{name} ({count:,})" for name, count in sheet["labels"].items()))]
    pages, mended, about = sheet["files"]["pages"], sheet["mended"], sheet["about"]
    return [
        *receipts,
        (
            "Mended",
            f"{mended['questions']:,} questions, {mended['answers']:,} answers, {mended['documents']:,} documents, "
            f"{mended['tags']:,} illegal steps of tags",
        ),
        ("Languages", languages),
        *(labels if sheet["labels"] else []),
        ("Pages", f"{pages['pages_read']:,} read, {pages['pages_plain']:,} plain, {pages['pages_scanned']:,} scanned"),
        ("Made by", f"Luthier {about['version']}; the same again: luthier prepare RUN, from the run folder's settings"),
        ("Licences", str(about["licences"])),
        ("Corpus", str(about["corpus"])),
        ("Base", str(about["base_digest"])),
        ("Exam", str(sheet["split"]["exam_root"])),
    ]


def _counted(name: str, value: object) -> str:
    """One number of a receipt, in words."""
    return f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name.replace('_', ' ')} {value}"


def _bars(bars: Sequence[tuple[str, int, str]], title: str) -> Markup:
    """One row per bar: name and number above, the bar below; all on one scale."""
    largest = max((abs(count) for _, count, _ in bars), default=0) or 1
    row = Markup('<p class="bar">{}: {}</p><svg class="plot" role="img" width="100%" height="12"><title>{}</title>')
    bar = Markup('<rect class="fill {}" x="0" y="0" width="{}%" height="12"/></svg>')
    parts = []
    for label, count, kind in bars:
        parts.append(row.format(label, f"{count:,}", title))
        parts.append(bar.format(kind, round(100 * abs(count) / largest, 3)))
    return Markup("").join(parts)
