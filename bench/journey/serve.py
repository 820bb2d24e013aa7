"""OpenAI's own client against `luthier serve` on the demo's run: is every answer the recorded one?

50 exam prompts, streamed and not, must be answered as the evaluation recorded and as `luthier ask` answers.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.record import Asked, Outcome, run_bench, say
from bench.runs import DEMO, LOOK_EVERY, Child, evidence_of, finished_run, quick_run

from luthier.artifacts.folders import DatasetDir, ExamDir, ReportDir
from luthier.artifacts.rows import read_items
from luthier.artifacts.tables import read_table
from luthier.pipeline.actions.answers import ask
from luthier.prepare.convert import framed
from luthier.records import Item, Message

PROMPTS = 50
START = 120
"""Seconds that a server may take to start."""
WAYS = ("whole", "streamed", "asked")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the evaluation wrote down of the tuned model's answer."""

    text: str
    ended: bool


def measure(asked: Asked) -> Outcome:
    """Bar 6; the quick form asks 5 prompts of a short run."""
    run = quick_run() if asked.quick else finished_run(DEMO)
    items = read_items(ExamDir.open(run / ExamDir.kind).file("items.parquet"))
    chosen = random.Random(asked.seed).sample(items, 5 if asked.quick else PROMPTS)
    recorded = _recorded(run)
    limit = int(evidence_of(run)["environment"]["max_answer_tokens"])
    with _serving(run) as address:
        models, answers = _converse(address, chosen, limit=limit)
    for item in chosen:
        answers[item.id]["asked"] = _asked(run, item)
    wrong = list(_differing(chosen, answers, recorded))
    for line in wrong[:5]:
        say(json.dumps(line, ensure_ascii=False))
    same = len(chosen) - len({line["item"] for line in wrong})
    say(f"models: {', '.join(models)}; {same} of {len(chosen)} prompts answered alike in all ways")
    return Outcome(
        holds=same == len(chosen) and len(models) == 2,
        value=same,
        bar=f"{len(chosen)} of {len(chosen)} as recorded and as asked, whole and streamed; tuned and base listed",
        detail={"models": models, "wrong": wrong, "verdict": evidence_of(run)["verdict"]["verdict"]},
        versions={"openai": version("openai")},
    )


@contextmanager
def _serving(run: Path) -> Iterator[str]:
    """`luthier serve` on a free port; yields its address and stops it as a service manager would."""
    server = Child("serve", str(run), "--port", "0", "--json")
    try:
        while not server.out().strip():
            ended = server.poll()
            if ended is not None or server.seconds > START:
                raise RuntimeError(f"luthier serve did not start: {ended.told if ended else 'no answer'}")
            time.sleep(LOOK_EVERY)
        yield str(json.loads(server.out().splitlines()[0])["address"])
    finally:
        if server.poll() is None:
            server.send(signal.SIGTERM)


def _converse(address: str, items: list[Item], *, limit: int) -> tuple[list[str], dict[str, dict[str, str]]]:
    from openai import OpenAI

    client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    models = [model.id for model in client.models.list().data]
    answers: dict[str, dict[str, str]] = {}
    for item in items:
        messages: Any = [{"role": turn.role, "content": turn.content} for turn in item.messages]
        words: dict[str, Any] = {"model": models[0], "messages": messages, "temperature": 0, "max_tokens": limit}
        whole = client.chat.completions.create(**words).choices[0].message.content or ""
        stream = client.chat.completions.create(**words, stream=True)
        pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
        answers[item.id] = {"whole": whole, "streamed": "".join(pieces)}
    client.close()
    return models, answers


def _asked(run: Path, item: Item) -> str:
    """What `luthier ask` answers to the item's bare question."""
    settings = DatasetDir.open(run / DatasetDir.kind).manifest.settings
    frame = {"system": settings["system"], "instruction": settings["instruction"]}
    opening = f"{frame['instruction']}\n\n" if frame["instruction"] else ""
    question = item.messages[-1].content.removeprefix(opening)
    if framed([Message("user", question)], **frame) != item.messages:
        raise RuntimeError(f"exam item {item.id} is not one bare question; `luthier ask` cannot ask it")
    return str(ask(run, question).values["answer"])


def _recorded(run: Path) -> dict[str, Recorded]:
    rows = read_table(ReportDir.open(run / ReportDir.kind).file("answers.parquet"))
    return {row["item"]: Recorded(row["text"], row["ended"]) for row in rows if row["arm"] == "tuned"}


def _differing(
    items: list[Item], answers: dict[str, dict[str, str]], recorded: dict[str, Recorded]
) -> Iterator[dict[str, str]]:
    for item in items:
        told = recorded[item.id]
        for way in WAYS:
            answer = answers[item.id][way]
            # `luthier ask` writes on where the evaluation had to stop.
            alike = answer == told.text or (way == "asked" and not told.ended and answer.startswith(told.text))
            if not alike:
                yield {"item": item.id, "way": way, "answer": answer, "recorded": told.text}


if __name__ == "__main__":
    run_bench("journey.serve", measure, about=__doc__)
