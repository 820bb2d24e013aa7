"""Receipts: hard checks that what is trained is what will be served (data.md section 9).

Every failure is a UserError that names the receipt, the row and the remedy; every success returns counts. `prepare`
runs them on what it wrote, `train` again on what it read.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from luthier.artifacts.worded import IntArray, Ragged, WordedTable, table_of
from luthier.errors import UserError
from luthier.models.chat import Wording
from luthier.records import Message, Worded

MOST_UNKNOWN = 0.01
"""Share of unknown tokens above which the tokenizer is the wrong one."""
PROBE = (Message("user", "a"), Message("assistant", "b"))


def check_trained(rows: Sequence[Worded]) -> dict[str, int]:
    """R1: every row has something to learn: trained tokens, labels, several texts, or that a text has no label."""
    table = table_of(rows)
    unequal = table.trained.lengths != table.ids.lengths
    _refuse("R1 (trained tokens)", table, unequal, "its mask is not as long as its ids", "Run prepare again.")
    learnt, labels = table.trained.sums(), table.labels.lengths
    nothing = (learnt == 0) & (labels == 0) & (table.ends.lengths == 0) & np.isnan(table.scores)
    _refuse("R1 (trained tokens)", table, nothing, "no token would be learnt", "Check its assistant turns' weights.")
    unlike = (learnt > 0) & (labels > 0) & (labels != learnt)
    _refuse("R1 (trained tokens)", table, unlike, "not every learnt token has a label", "Run prepare again.")
    return {"rows": len(table), "trained_tokens": int(learnt.sum())}


def check_start(rows: Sequence[Worded], wording: Wording, *, is_bare: bool = False) -> dict[str, int]:
    """R3: the start token stands once where the tokenizer wants it, and never twice; in bare texts it always wants its
    own.
    """
    bos = wording.special.get("bos_token")
    start = wording.tokenizer.token_to_id(bos) if bos else None
    own = wording.tokenizer.encode("").ids
    wanted = own[0] if own and (own[0] == start or is_bare or any(row.labels for row in rows)) else None
    for row in rows:
        if wanted is not None and row.ids[:1] != (wanted,):
            raise _failure("R3 (start token)", row, f"does not start with token {wanted}", "Let the template write it.")
        first = wanted if wanted is not None else start
        if first is not None and row.ids[:2] == (first, first):
            raise _failure("R3 (start token)", row, f"starts with token {first} twice", "Take it out of the template.")
    return {"rows": len(rows), "wanted": int(wanted is not None)}


def check_end(rows: Sequence[Worded], wording: Wording) -> dict[str, int]:
    """R4: every answer ends with a learnt end of turn that generation stops at and padding does not hide."""
    if "pad_token" in wording.special and wording.pad_id in wording.end_ids:
        raise UserError(
            f"receipt R4 (end of turn): the base pads with {wording.special['pad_token']!r}, its end of turn, and a "
            "model padded so never learns to stop. Set pad_token in tokenizer_config.json to another special token."
        )
    ending = _written_end(wording)
    if ending is not None and ending not in wording.end_ids:
        raise UserError(
            f"receipt R4 (end of turn): the chat template ends an answer with token {ending}, but generation stops at "
            f"{list(wording.end_ids)}. Add {ending} to eos_token_id in generation_config.json."
        )
    table = table_of(rows)
    last = _last_learnt(table)
    open_ended = last[~np.isin(table.ids.values[last], wording.end_ids)]
    if len(open_ended):
        place = int(np.searchsorted(table.ids.starts, open_ended[0], side="right")) - 1
        problem = f"an answer ends at token {open_ended[0] - table.ids.starts[place]} without an end of turn"
        raise _failure("R4 (end of turn)", table[place], problem, "Run prepare again.")
    return {"turns": len(last)}


def check_told(row: Worded, messages: Sequence[Message], wording: Wording, *, tools: Sequence[str] = ()) -> None:
    """R2 and R5 for one conversation: learnt tokens say what the assistant said, after the prompt that is served."""
    said = [index for index, turn in enumerate(messages) if turn.role == "assistant" and turn.weight]
    stretches = list(learnt_stretches(row))
    if len(stretches) != len(said):
        problem = f"{len(stretches)} stretches are learnt, the assistant speaks {len(said)} times"
        raise _failure("R2 (trained text)", row, problem, "Use a template that prints each message as it is.")
    for index, (start, end) in zip(said, stretches, strict=True):
        if messages[index].tool_calls:
            text = str(wording.tokenizer.decode(list(row.ids[start:end]), skip_special_tokens=False))
            wanted = _called(messages[: index + 1], tools, wording)
        else:
            text, wanted = wording.decode(row.ids[start : end - 1]), messages[index].content
        if text != wanted:
            problem = f"the learnt text is {text[:80]!r}, the assistant said {wanted[:80]!r}"
            raise _failure("R2 (trained text)", row, problem, "The tokenizer or the template changes this text.")
        if wording.prompt_ids(messages[:index], tools=tools) != row.ids[:start]:
            problem = f"turn {index} is trained after another prompt than will be served"
            raise _failure("R5 (same prompt)", row, problem, "Use a template that does not rewrite earlier turns.")


def check_text(row: Worded, texts: Sequence[str], wording: Wording) -> None:
    """R5 for a bare text, or for two that are read as one: the ids are those the server makes of them."""
    ids = wording.text_ids(texts[0]) if len(texts) == 1 else wording.pair_ids(*texts).ids
    if ids != row.ids:
        raise _failure("R5 (same prompt)", row, "is trained as other ids than will be served", "Run prepare again.")


def check_document(row: Worded, text: str, wording: Wording) -> None:
    """R2 and R5 for a stretch of raw text: every token but the first is learnt, and the ids say the text."""
    if not all(row.trained[1:]) or any(row.trained[:1]):
        raise _failure("R2 (trained text)", row, "not every token of the text is learnt", "Run prepare again.")
    if wording.document_ids(text) != row.ids:
        raise _failure("R5 (same prompt)", row, "is trained as other ids than the exam reads", "Run prepare again.")
    if wording.decode(row.ids).strip() != text.strip():
        raise _failure(
            "R2 (trained text)",
            row,
            f"the ids say {wording.decode(row.ids)[:80]!r}",
            "The tokenizer changes this text.",
        )


def texts_apart(rows: Sequence[Worded]) -> list[Worded]:
    """The texts of rows that are read one by one, each as a row."""
    found = []
    for row in rows:
        starts = (0, *row.ends[:-1])
        found += [
            replace(row, ids=row.ids[start:end], trained=row.trained[start:end], ends=())
            for start, end in zip(starts, row.ends or (len(row.ids),), strict=True)
        ]
    return found


def check_lengths(rows: Sequence[Worded], *, limit: int, apart: bool = False) -> dict[str, int]:
    """R6: no row is longer than `limit` tokens, so nothing will be cut. `apart`: no text of a row is."""
    table = table_of(rows)
    lengths = table.longest if apart else table.ids.lengths
    longest = int(lengths.max(initial=0))
    if longest > limit:
        problem = f"has {longest:,} tokens, the limit is {limit:,}"
        remedy = "Set prepare.over_length or a larger prepare.max_length."
        raise _failure("R6 (length)", rows[int(lengths.argmax())], problem, remedy)
    return {"rows": len(lengths), "longest": longest, "limit": limit}


def check_content(row: Worded, messages: Sequence[Message], wording: Wording, *, tools: Sequence[str] = ()) -> None:
    """R8: every message, system text included, stands in what the model reads, in order; so do tools and their calls.

    Answers that are context only may be rewritten: R5 sees to it that the server rewrites them alike.
    """
    told = str(wording.tokenizer.decode(list(row.ids), skip_special_tokens=False))
    place = 0
    for index, turn in enumerate(messages):
        if turn.role == "assistant" and not turn.weight:
            continue
        forms = [turn.content.strip()]
        if turn.role == "tool":
            forms.append(json.dumps(forms[0], ensure_ascii=False)[1:-1])  # some templates quote results
        ends = [found + len(form) for form in forms if (found := told.find(form, place)) >= 0]
        if not ends:
            problem = f"the text of turn {index} ({turn.role}) is missing from what the model reads"
            raise _failure("R8 (content)", row, problem, "The chat template leaves it out: choose another base.")
        place = min(ends)
    calls = [call for turn in messages for call in turn.tool_calls]
    if (tools or calls) and wording.hides(messages, tools):
        problem = "tools, calls or results are missing from what the model reads"
        raise _failure("R8 (content)", row, problem, "The chat template leaves them out: choose another base.")


def check_known(rows: Sequence[Worded], wording: Wording) -> dict[str, int]:
    """R11: at most 1 % of the tokens are unknown to the tokenizer."""
    unknown = _unknown(wording)
    tokens = sum(len(row.ids) for row in rows)
    if unknown is None:
        return {"tokens": tokens, "unknown": 0}
    count = sum(row.ids.count(unknown) for row in rows)
    if count > MOST_UNKNOWN * tokens:
        worst = max(rows, key=lambda row: row.ids.count(unknown) / max(1, len(row.ids)))
        problem = f"{count:,} of all {tokens:,} tokens are unknown to the tokenizer, most of them here"
        raise _failure("R11 (text)", worst, problem, "Choose a base that was made for this language.")
    return {"tokens": tokens, "unknown": count}


def check_round_trip(row: Worded, text: str, wording: Wording) -> None:
    """R11 for one text: what the ids say is the text, but for what the tokenizer folds on purpose (case, spaces)."""
    ids = wording.text_ids(text)
    normalizer = wording.tokenizer.normalizer
    if normalizer is None:
        same = wording.decode(ids).strip() == text.strip()
    else:
        said, wanted = ("".join(normalizer.normalize_str(form).split()) for form in (wording.decode(ids), text))
        same = said == wanted or _unknown(wording) in ids  # unknown tokens are counted by `check_known`
    if not same:
        raise _failure("R11 (text)", row, "its text does not come back from its ids", "The tokenizer changes it.")


def rated_rows(rows: Sequence[Worded]) -> dict[str, int]:
    """Rows that a person rated, and those of them that were found good."""
    scores = table_of(rows).scores
    return {"rated": int((~np.isnan(scores)).sum()), "good": int((scores > 0.5).sum())}


def check_labels(rows: Sequence[Worded], labels: Sequence[str]) -> dict[str, int]:
    """R12: every row has a label of the list, and every label of the list has training rows."""
    return check_all_labels(label_rows(rows, labels), labels)


def label_rows(rows: Sequence[Worded], labels: Sequence[str]) -> IntArray:
    """R12: the number of rows of each label; UserError if a row has none of them, unless it may have any number."""
    table = table_of(rows)
    known = (table.labels.values >= 0) & (table.labels.values < len(labels))
    inside = Ragged(known.astype(np.int64), table.labels.starts).sums()
    wrong = (inside < table.labels.lengths) | ((table.labels.lengths == 0) & np.isnan(table.scores))
    if wrong.any():
        row = table[int(wrong.argmax())]
        problem = f"its labels {list(row.labels)} are not among the {len(labels)}"
        raise _failure("R12 (labels)", row, problem, "Prepare again.")
    return np.bincount(table.labels.values, minlength=len(labels))


def check_all_labels(counts: IntArray, labels: Sequence[str]) -> dict[str, int]:
    """R12: every label has training rows; `counts` holds how many."""
    # Entities of one word each leave the label of their further words without rows.
    inside = {f"I-{label[2:]}" for label in labels if label.startswith("B-")}
    missing = [label for label, count in zip(labels, counts.tolist(), strict=True) if not count and label not in inside]
    if missing:
        names = ", ".join(f"'{label}'" for label in missing[:5])
        raise UserError(
            f"receipt R12 (labels): {len(missing)} labels have no training row, the first: {names}. A classifier would "
            "only guess them: add examples, or leave the label out."
        )
    return {"labels": len(labels)}


def check_template(expected: str, wording: Wording) -> None:
    """R9: the template, special tokens and tokenizer are those the rows were worded with."""
    if wording.template_hash != expected:
        raise UserError(
            f"receipt R9 (template hash): the rows were worded with template {expected[:12]}, this model has "
            f"{wording.template_hash[:12]}. Run prepare again with this base."
        )


def learnt_stretches(row: Worded) -> Iterator[tuple[int, int]]:
    """[start, end) of every unbroken run of learnt tokens."""
    start = None
    for place, learnt in enumerate((*row.trained, False)):
        if learnt and start is None:
            start = place
        elif not learnt and start is not None:
            yield start, place
            start = None


def _last_learnt(table: WordedTable) -> IntArray:
    """Where every unbroken run of learnt tokens ends, as places in the table's `ids`."""
    learnt = table.trained.values
    goes_on = np.append(learnt[1:], False)
    goes_on[table.ids.starts[1:] - 1] = False
    return np.flatnonzero(learnt & ~goes_on)


def _refuse(receipt: str, table: WordedTable, bad: NDArray[np.bool_], problem: str, remedy: str) -> None:
    if bad.any():
        raise _failure(receipt, table[int(bad.argmax())], problem, remedy)


def _called(messages: Sequence[Message], tools: Sequence[str], wording: Wording) -> str:
    """What the last message, a call, adds to the prompt before it, up to and with its end of turn."""
    before = wording.render(messages[:-1], tools=tools, add_generation_prompt=True)
    added = wording.render(messages, tools=tools, add_generation_prompt=False).removeprefix(before)
    ends = [str(wording.tokenizer.id_to_token(end_id)) for end_id in wording.end_ids]
    stops = [place + len(end) for end in ends if (place := added.find(end)) >= 0]
    return added[: min(stops, default=len(added))]


def _unknown(wording: Wording) -> int | None:
    """The token of unknown text; None if it has none of its own, because the tokenizer knows every text."""
    unknown = wording.tokenizer.token_to_id(wording.special.get("unk_token", ""))
    return None if unknown in {wording.pad_id, wording.start_id, *wording.end_ids} else unknown


def _written_end(wording: Wording) -> int | None:
    """The special token that the template writes right behind an answer, if any."""
    before = wording.render(PROBE[:1], add_generation_prompt=True) + PROBE[1].content
    whole = wording.render(PROBE, add_generation_prompt=False)
    if not whole.startswith(before):
        return None
    behind = whole.removeprefix(before).lstrip()
    written = [text for text in wording.control if behind.startswith(text)]
    return wording.tokenizer.token_to_id(max(written, key=len)) if written else None


def _failure(receipt: str, row: Worded, problem: str, remedy: str) -> UserError:
    return UserError(f"receipt {receipt}: row {row.id} at {row.at}: {problem}. {remedy}")
