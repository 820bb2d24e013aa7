"""D9: twelve bugs, one per receipt, planted in rows of three tokenizers, and 30 healthy sets that must pass.

Every bug is one that a training stack had in the wild (data.md section 9). A bug is stopped if the gates that run
before the first step raise an error that names its receipt; for R7 if the packed path is refused.
"""

import dataclasses
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from bench.data._wordings import sentence, wordings
from bench.record import Asked, Outcome, run_bench, say
from transformers import LlamaConfig, LlamaForCausalLM

from luthier.errors import UserError
from luthier.models import forward
from luthier.models.chat import Wording, load_wording
from luthier.models.receipts import check_template
from luthier.objectives import objective
from luthier.prepare.candidate import candidate
from luthier.prepare.reading import Frame, Reading
from luthier.prepare.receipts import run_receipts
from luthier.prepare.word import word
from luthier.records import Chat, Message, Origin, Worded, nobody_listens
from luthier.train.batches import plan_steps
from luthier.train.receipts import check_denominators, check_rows

LIMIT = 512
HEALTHY = 30
LABELS = ("low", "high")


@dataclass(frozen=True, slots=True)
class Set:
    """Worded rows, the folder they were worded with, and a generator for choices."""

    readings: list[Reading]
    folder: Path
    wording: Wording
    dice: random.Random


def measure(asked: Asked) -> Outcome:
    """All bugs on all tokenizers; the quick form has 6 healthy sets."""
    dice = random.Random(asked.seed)
    healthy = 6 if asked.quick else HEALTHY
    with tempfile.TemporaryDirectory() as home:
        ways = wordings(Path(home))
        found = {(name, receipt): _planted(Path(home), ways[name], receipt, dice) for name in ways for receipt in BUGS}
        passed = [list(ways.values())[number % len(ways)] for number in range(healthy)]
        stops = [_stopped_by(_gates, Set(_readings(dice, way[1]), *way, dice)) for way in passed]
    stopped = sum(bool(by) for by in found.values())
    named = sum(by == receipt for (_, receipt), by in found.items())
    false_stops = [by for by in stops if by]
    say(f"{stopped} of {len(found)} stopped; {len(false_stops)} false stops in {healthy} healthy sets")
    return Outcome(
        holds=stopped == len(found) and not false_stops,
        value={
            "stopped": stopped,
            "of": len(found),
            "named": named,
            "false_stops": len(false_stops),
            "healthy": healthy,
        },
        bar="12 of 12 stopped for each of 3 tokenizers, 0 false stops in 30 healthy sets",
        detail={
            "by_another": {f"{name} {receipt}": by for (name, receipt), by in found.items() if by != receipt},
            "false_stops": false_stops,
        },
    )


def _planted(home: Path, way: tuple[Path, Wording], receipt: str, dice: random.Random) -> str:
    """The receipt that stops this receipt's bug."""
    folder, wording = way
    copy = Path(tempfile.mkdtemp(dir=home)) / "model"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    return _stopped_by(BUGS[receipt], Set(_readings(dice, wording), copy, wording, dice))


def _stopped_by(gate: Callable[[Set], None], rows: Set) -> str:
    """The receipt that stopped it, or ''."""
    try:
        gate(rows)
    except UserError as error:
        return str(error).removeprefix("receipt ").split(" ")[0]
    return ""


def _readings(dice: random.Random, wording: Wording) -> list[Reading]:
    examples = []
    for number in range(24):
        system = (Message("system", sentence(dice)),) if number % 3 == 0 else ()
        turns = [Message(role, sentence(dice)) for _ in range(dice.randint(1, 3)) for role in ("user", "assistant")]
        examples.append(Chat(messages=(*system, *turns), origin=Origin(f"a.jsonl:{number}", "a.jsonl", number)))
    candidates = [candidate(example) for example in examples]
    frame = Frame(system=None, instruction=None, limit=LIMIT, over_length="stop")
    groups = {one.id: one.id for one in candidates}
    return word(candidates, group_of=groups, wording=wording, frame=frame, listener=nobody_listens).kept


def _gates(rows: Set, *, wording: Wording | None = None) -> None:
    """Everything that prepare and train run before the first step."""
    wording = wording or rows.wording
    found = [one.row for one in rows.readings]
    run_receipts(found, rows.readings, objective=objective("chat"), wording=wording, limit=LIMIT)
    check_rows(found, objective=objective("chat"), wording=wording, labels=())
    steps = plan_steps([len(row.ids) for row in found], epochs=1.0, batch_tokens=256, seed=0)
    check_denominators(steps, found, tokens=128, units=_trained)
    check_template(rows.wording.template_hash, load_wording(rows.folder))


def _trained(rows: Sequence[Worded]) -> int:
    return sum(sum(row.trained) for row in rows)


def _with_row(rows: Set, change: Callable[[Worded], Worded]) -> Set:
    """One row spoilt, somewhere."""
    place = rows.dice.randrange(len(rows.readings))
    readings = list(rows.readings)
    readings[place] = dataclasses.replace(readings[place], row=change(readings[place].row))
    return dataclasses.replace(rows, readings=readings)


def _everything_masked(rows: Set) -> None:
    _gates(_with_row(rows, lambda row: dataclasses.replace(row, trained=(False,) * len(row.ids))))


def _prompt_is_trained(rows: Set) -> None:
    def change(row: Worded) -> Worded:
        first = row.trained.index(True)
        return dataclasses.replace(row, trained=(*row.trained[: first - 2], True, True, *row.trained[first:]))

    _gates(_with_row(rows, change))


def _start_twice(rows: Set) -> None:
    def change(row: Worded) -> Worded:
        return dataclasses.replace(row, ids=(row.ids[0], *row.ids), trained=(False, *row.trained))

    _gates(_with_row(rows, change))


def _no_end_of_turn(rows: Set) -> None:
    def change(row: Worded) -> Worded:
        last = max(place for place, learnt in enumerate(row.trained) if learnt)
        return dataclasses.replace(row, trained=(*row.trained[:last], False, *row.trained[last + 1 :]))

    _gates(_with_row(rows, change))


def _other_prompt(rows: Set) -> None:
    def change(row: Worded) -> Worded:
        place = row.trained.index(True) - 1
        other = next(token for token in (5, 6, 7) if token != row.ids[place])
        # A token of the prompt that the server would not write: the generation prompt differs.
        return dataclasses.replace(row, ids=(*row.ids[:place], other, *row.ids[place + 1 :]))

    _gates(_with_row(rows, change))


def _answer_too_long(rows: Set) -> None:
    def change(row: Worded) -> Worded:
        extra = LIMIT
        last = max(place for place, learnt in enumerate(row.trained) if learnt)
        middle = (row.ids[last - 1],) * extra
        return dataclasses.replace(
            row,
            ids=(*row.ids[:last], *middle, *row.ids[last:]),
            trained=(*row.trained[:last], *(True,) * extra, *row.trained[last:]),
        )

    _gates(_with_row(rows, change))


def _packing_leaks(rows: Set) -> None:
    """Rows that attend to each other when they are packed: the packed path must be refused."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=rows.wording.tokenizer.get_vocab_size(), **size)).eval()
    whole = forward.packed_layout
    forward.packed_layout = lambda lengths: whole([sum(lengths)])  # one row, as if boundaries were forgotten
    try:
        chosen, why = forward.choose_forward(model, [one.row.ids for one in rows.readings[:4]])
    finally:
        forward.packed_layout = whole
    if chosen is forward.padded_states:
        raise UserError(f"receipt R7 {why}")


def _system_missing(rows: Set) -> None:
    template = rows.wording.template
    silent = "{% set kept = messages | rejectattr('role', 'equalto', 'system') | list %}" + template.replace(
        "in messages", "in kept"
    )
    (rows.folder / "chat_template.jinja").write_text(silent, encoding="utf-8")
    broken = load_wording(rows.folder)
    _gates(dataclasses.replace(rows, wording=broken, readings=_readings(rows.dice, broken)))


def _template_differs(rows: Set) -> None:
    (rows.folder / "chat_template.jinja").write_text(rows.wording.template + " ", encoding="utf-8")
    _gates(rows)


def _wrong_denominator(rows: Set) -> None:
    found = [one.row for one in rows.readings]
    steps = plan_steps([len(row.ids) for row in found], epochs=1.0, batch_tokens=256, seed=0)
    # As if every micro-batch were averaged by itself: its denominator is 1.
    check_denominators(steps, found, tokens=128, units=lambda some: 1)


def _wrong_tokenizer(rows: Set) -> None:
    """Texts of a script that the tokenizer folds away or does not know."""
    path = rows.folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "[0-9]"}, "behavior": "Removed", "invert": False},
        content["pre_tokenizer"],
    ]}  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")
    broken = load_wording(rows.folder)
    _gates(dataclasses.replace(rows, wording=broken, readings=_readings(rows.dice, broken)))


def _class_without_rows(rows: Set) -> None:
    found = [dataclasses.replace(one.row, trained=(False,) * len(one.row.ids), labels=(0,)) for one in rows.readings]
    check_rows(found, objective=objective("classify"), wording=rows.wording, labels=LABELS)


BUGS: dict[str, Callable[[Set], None]] = {
    "R1": _everything_masked,
    "R2": _prompt_is_trained,
    "R3": _start_twice,
    "R4": _no_end_of_turn,
    "R5": _other_prompt,
    "R6": _answer_too_long,
    "R7": _packing_leaks,
    "R8": _system_missing,
    "R9": _template_differs,
    "R10": _wrong_denominator,
    "R11": _wrong_tokenizer,
    "R12": _class_without_rows,
}
"""Receipt -> the bug that it must stop."""


if __name__ == "__main__":
    run_bench("data.d9", measure, about=__doc__)
