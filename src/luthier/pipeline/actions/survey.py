"""Look at a folder and draft its project file: `luthier init`."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from luthier.artifacts.rows import KINDS
from luthier.artifacts.storage import explain_disk, write_atomic
from luthier.collect.peek import Head, Peek, peek
from luthier.errors import ConflictError, NotFoundError, UserError
from luthier.objectives import objective
from luthier.pipeline.actions.columns import (
    FEW_ANSWERS,
    REPEATS,
    cells,
    find_grouping,
    guess_roles,
    matching_column,
    short_name,
)
from luthier.records import Chat, Example, Label

PROJECT_FILE = "luthier.yaml"
SHOWN = 8
PROPOSED = {
    "preference": (
        "prefer",
        "a better and a worse answer: a language model learns to prefer the better one. To score answers instead: "
        "objective: reward.",
    ),
    "rating": ("prefer", "an answer judged good or bad: a language model learns to write what was judged good."),
    "graded": ("reinforce", "a question with graders: a language model learns from the grades of its own answers."),
    "tags": ("tag", "a text with marked entities: an encoder learns to mark them in new texts."),
    "extraction": ("extract", "a question and a text with its answer: an encoder learns to point at the answer."),
    "pair": ("embed", "texts that belong together: an encoder learns to find one by the other."),
}
"""Kind of example -> the objective that learns from it, and what is said of such rows."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in a folder and what follows from it."""

    name: str
    seen: Peek
    columns: Mapping[str, list[str]]
    """Proposal for `collect.columns`."""
    objective: str
    objective_reason: str
    group_by: str | None
    group_reason: str
    examples: int
    """Examples in the part that was looked at."""

    @property
    def base(self) -> str:
        """The default base for the objective: a decoder for what is written, or judged by its likelihood."""
        return "smollm2-135m" if objective(self.objective).needs_decoder else "minilm-l6"


def survey(folder: Path) -> Survey:
    """Look at a folder's files. NotFoundError if it is not there, UserError if it holds nothing that can be read."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder")
    seen = peek([folder])
    if not seen.heads and not seen.prose:
        problems = "".join(f"\n  {name}: {reason}" for name, reason in list(seen.others.items())[:SHOWN])
        raise UserError(f"{folder}: no file that can be read.{problems}\nPut your data there and run init again.")
    columns = _propose_columns(seen)
    group_by, group_reason = _propose_groups(seen, columns)
    examples = [example for head in seen.heads for example in head.examples(columns)]
    proposed, objective_reason = _propose_objective(examples, prose=len(seen.prose))
    return Survey(
        name=_run_name(folder.resolve().name),
        seen=seen,
        columns=columns,
        objective=proposed,
        objective_reason=objective_reason,
        group_by=group_by,
        group_reason=group_reason,
        examples=len(examples),
    )


def draft_project(found: Survey, *, source: str = ".") -> str:
    """Text of a project file with what was found and why, as comments. `source` is relative to the file's place."""
    lines = [
        f"# {PROJECT_FILE}: drafted by `luthier init`. Read it, change what is wrong, then: luthier run {PROJECT_FILE}",
        "#",
        *(f"# {line}" for line in _found_lines(found)),
        "",
        f"name: {_scalar(found.name)}",
        "",
        *(f"# {line}" for line in _wrapped(found.objective_reason)),
        f"objective: {found.objective}",
        f"base: {found.base}",
        "",
        "collect:",
        f"  sources: [{_scalar(source)}]",
    ]
    if found.columns:
        lines += ["  columns: # role -> column names, guessed from the values", *_column_lines(found.columns)]
    lines += ["", "prepare:"]
    if objective(found.objective).talks:
        lines.append("  # instruction: Text that is put before every question, if the questions do not say what to do")
    lines += [
        "  split:",
        *(f"    # {line}" for line in _wrapped(found.group_reason)),
        f"    group_by: {_scalar(found.group_by)}",
    ]
    return "\n".join(lines) + "\n"


def write_project(folder: Path) -> dict[str, Any]:
    """Survey `folder` and write `luthier.yaml` into it; ConflictError if there is one already.

    Returns what the command line shows: `value` (a mapping) and `text`.
    """
    path = folder / PROJECT_FILE
    if path.exists():
        raise ConflictError(f"{path}: exists already. Move it away, or edit it.")
    found = survey(folder)
    with explain_disk(path):
        write_atomic(path, draft_project(found).encode("utf-8"))
    value = {
        "project": str(path),
        "objective": found.objective,
        "base": found.base,
        "columns": dict(found.columns),
        "group_by": found.group_by,
        "tables": {head.name: len(head.rows) for head in found.seen.heads},
        "prose": found.seen.prose,
        "not_read": found.seen.others,
    }
    text = "\n".join([*_found_lines(found), "", found.objective_reason, found.group_reason, "", f"wrote {path}"])
    return {"value": value, "text": text}


def _propose_columns(seen: Peek) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for head in seen.heads:
        if head.fit({}) is None:
            for role, column in (guess_roles(head) or {}).items():
                columns.setdefault(role, [])
                columns[role] += [column] if column not in columns[role] else []
    return columns


def _propose_groups(seen: Peek, columns: dict[str, list[str]]) -> tuple[str | None, str]:
    """The rule and its reason; a column that is spelled differently in different tables joins `columns`."""
    understood = [head for head in seen.heads if head.fit(columns) is not None]
    taken = {head.name: _role_columns(head, columns) for head in understood}
    groupings = [found for head in understood if (found := find_grouping(head, taken=taken[head.name])) is not None]
    if not groupings:
        return _no_groups(bool(understood))
    chief = max(groupings, key=lambda grouping: len(grouping.groups))
    matches = {head.name: matching_column(head, chief, taken=taken[head.name]) for head in understood}
    spellings = list(dict.fromkeys(column for column in matches.values() if column is not None))
    name = spellings[0] if len(spellings) == 1 and re.fullmatch(r"\w+", spellings[0]) else short_name(spellings)
    if spellings != [name]:
        columns[name] = spellings
    grouped = [cells(head, column) for head in understood if (column := matches[head.name]) is not None]
    groups = len({value[: chief.prefix] for values in grouped for value in values})
    reason = (
        f"{sum(map(len, grouped)):,} rows fall into {groups:,} groups by {_quoted(spellings)}; rows of one group stay "
        "on one side of the split, so that the exam asks about groups that were never trained on. Change it if other "
        "rows belong together."
    )
    lacking = [table for table, column in matches.items() if column is None]
    if lacking:
        reason += f" Without such a column: {', '.join(lacking[:SHOWN])}."
    return chief.rule(name), reason


def _no_groups(has_rows: bool) -> tuple[str | None, str]:
    if not has_rows:
        return (
            None,
            "No rows, so each file is a group and the exam takes whole files. Under about 60 files that is too few.",
        )
    return "question", (
        "No column says which rows belong together, so only equal questions do. WARNING: if near-copies of a question "
        "exist, or several rows come from one customer, document or case, the exam is easier than real life. Name a "
        "column that tells them apart (`group_by: customer`, or its first characters, `code[:3]`). With `null` each "
        "file is one group, which may be too few groups for an exam."
    )


def _role_columns(head: Head, columns: Mapping[str, list[str]]) -> list[str]:
    fit = head.fit(columns)
    return list(fit.roles.values()) if fit else []


def _propose_objective(examples: list[Example], *, prose: int) -> tuple[str, str]:
    kinds = Counter(KINDS[type(example)] for example in examples)
    commonest = kinds.most_common(1)[0][0] if kinds else ""
    if commonest in PROPOSED:
        name, reason = PROPOSED[commonest]
        return name, f"{kinds[commonest]:,} of {len(examples):,} rows hold {reason}"
    answers = [answer for example in examples if (answer := _answer(example)) is not None]
    different = Counter(answers)
    labels = sum(isinstance(example, Label) for example in examples)
    if not answers and prose:
        return "complete", (
            "Documents without questions and answers: a language model learns to continue such text, and is examined "
            "on documents it has not read. To make an encoder at home in them: objective: fill, base: minilm-l6."
        )
    if not answers:
        return "chat", "No question with an answer was found. Luthier learns from rows such as question and answer."
    count = f"{len(different):,} different answers in {len(answers):,} rows"
    if 2 <= len(different) <= FEW_ANSWERS and len(answers) >= REPEATS * len(different):
        return "classify", (
            f"{count}: few enough to be labels, so an encoder that chooses among them is small and fast. To get the "
            "answers as text from a language model: objective: chat, base: smollm2-135m."
        )
    if labels > len(answers) / 2:
        return "classify", f"{count}, as text and label. Some labels are rare: expect little of those."
    return "chat", f"{count}: too many to be labels, so a language model learns to write them."


def _answer(example: Example) -> str | None:
    match example:
        case Chat():
            return example.messages[-1].content.strip()
        case Label():
            return example.label
        case _:
            return None


def _found_lines(found: Survey) -> list[str]:
    lines = [f"Found {found.examples:,} examples in {len(found.seen.heads)} tables:"]
    for head in found.seen.heads[:SHOWN]:
        fit = head.fit(found.columns)
        how = f"read as '{fit.format.name}'" if fit else "NOT UNDERSTOOD: say in collect.columns which column is which"
        lines.append(f"  {head.name}: {len(head.rows):,} rows; {_quoted(head.columns)}; {how}")
    lines += [f"  ... and {len(found.seen.heads) - SHOWN} more"] if len(found.seen.heads) > SHOWN else []
    if found.seen.prose:
        more = f", and {len(found.seen.prose) - SHOWN:,} more" if len(found.seen.prose) > SHOWN else ""
        learns = objective(found.objective).record == "text"
        use = "" if learns else f", collected but not learnt from by {found.objective}"
        lines.append(f"Documents{use}: {', '.join(found.seen.prose[:SHOWN])}{more}")
    if found.seen.others:
        lines.append("Not read:")
        lines += [f"  {name}: {reason}" for name, reason in list(found.seen.others.items())[:SHOWN]]
    return [_one_line(line) for line in lines]


def _column_lines(columns: Mapping[str, list[str]]) -> list[str]:
    return [f"    {_scalar(role)}: [{', '.join(map(_scalar, names))}]" for role, names in columns.items()]


def _scalar(value: str | None) -> str:
    """A YAML scalar on one line, quoted where needed."""
    if value is None:
        return "null"
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000)
    return text.strip()[1:-1]


def _quoted(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _one_line(text: str) -> str:
    # A control character in a file's name would end the comment and begin YAML.
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _wrapped(text: str, width: int = 110) -> list[str]:
    lines = [""]
    for word in _one_line(text).split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _run_name(folder: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", folder).strip("-._")
    return name[:100] or "run"
