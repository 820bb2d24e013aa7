"""Let a run's model answer, worded exactly as in training and in the exam."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.artifacts.canonical import sha256_of
from luthier.artifacts.folders import DatasetDir, ModelDir
from luthier.artifacts.manifest import MANIFEST
from luthier.errors import UserError
from luthier.models.bases import Base, resolve_base
from luthier.objectives import objective
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import Project, open_run
from luthier.records import Listener, Message, nobody_listens

if TYPE_CHECKING:
    from luthier.models.engines.hf import Engine
    from luthier.serve.host import Host

LONGEST = 512
"""Tokens of one answer on the command line."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A run's model with the base and the dataset it was made from."""

    project: Project
    base: Base
    model: ModelDir
    dataset: DatasetDir


def open_tuned(run: Path, *, listener: Listener = nobody_listens) -> Tuned:
    """Open a run that has a model; NotFoundError if it has none, UserError if its parts do not belong together."""
    project = open_run(run)
    model = ModelDir.open(run / ModelDir.kind)
    dataset = DatasetDir.open(run / DatasetDir.kind)
    if model.manifest.inputs.get("dataset") != dataset.digest:
        raise UserError(
            f"{run}: the model was trained on another dataset than the one beside it. Run: luthier run {run}"
        )
    base = resolve_base(project.config.base, relative_to=project.home, listener=listener)
    if model.manifest.inputs.get("base") != base.digest:
        raise UserError(f"{run}: base '{base.name}' is not the one the model was trained from. Run: luthier run {run}")
    return Tuned(project=project, base=base, model=model, dataset=dataset)


def ask(run: Path, question: str, *, use_base: bool = False, listener: Listener = nobody_listens) -> Shown:
    """One greedy answer, one label or entities, to a question that is framed as prepare framed the training rows."""
    tuned = open_tuned(run, listener=listener)
    engine = _load(tuned)
    name = _base_name(tuned.base) if use_base else tuned.project.config.name
    if engine.objective == "classify":
        return _label(engine, question, name=name, use_base=use_base)
    if engine.objective == "tag":
        return _entities(engine, question, name=name, use_base=use_base)
    if engine.objective == "embed":
        return _vector(engine, question, name=name, use_base=use_base)
    if engine.objective == "extract":
        raise UserError("an extractor needs a question and a text. Serve it, and ask it at /luthier/v1/extract")
    from luthier.prepare.convert import framed

    settings = tuned.dataset.manifest.settings
    messages = framed([Message("user", question)], system=settings["system"], instruction=settings["instruction"])
    prompt = engine.wording.prompt_ids(messages)
    room = engine.wording.context - len(prompt)
    if room < 1:
        raise UserError(f"the question has {len(prompt)} tokens and the context ends at {engine.wording.context}")
    [answer] = engine.generate([prompt], adapter=not use_base, max_tokens=min(LONGEST, room))
    values = {"model": name, "answer": answer.text, "ended": answer.ended, "tokens": len(answer.ids)}
    return Shown(values, answer.text)


def open_host(run: Path) -> "Host":
    """Load a run's engine behind a queue, with the names it answers to: the run's (tuned) and the base's."""
    from luthier.serve.host import Host
    from luthier.serve.router import Router

    tuned = open_tuned(run)
    engine = _load(tuned)
    has_base = tuned.project.objective.head in {"causal", "pooled"}
    names = Router(tuned=tuned.project.config.name, base=_base_name(tuned.base) if has_base else None)
    created = int((tuned.model.path / MANIFEST).stat().st_mtime)
    return Host(engine, router=names, fingerprint=_fingerprint(tuned, engine.wording.template_hash), created=created)


def _load(tuned: Tuned) -> "Engine":
    from luthier.models.engines.hf import load_engine

    name = str(tuned.model.manifest.facts["objective"])
    if objective(name).endpoint is None:
        raise UserError(f"{tuned.project.folder}: a model of objective '{name}' judges answers and writes none.")
    return load_engine(tuned.base, tuned=tuned.model)


def _label(engine: "Engine", text: str, *, name: str, use_base: bool) -> Shown:
    if use_base:
        raise UserError("a base has no classifier; only the tuned model can label. Leave out --base.")
    [scores] = engine.classify([engine.wording.text_ids(text)])
    ranked = sorted(zip(engine.labels, map(float, scores), strict=True), key=lambda pair: (-pair[1], pair[0]))
    values: dict[str, Any] = {
        "model": name,
        "label": ranked[0][0],
        "labels": [{"label": label, "score": score} for label, score in ranked],
    }
    return Shown(values, "\n".join(f"{score:6.1%}  {label}" for label, score in ranked[:5]))


def _vector(engine: "Engine", text: str, *, name: str, use_base: bool) -> Shown:
    [vector] = engine.embed([engine.wording.text_ids(text)], adapter=not use_base)
    values = {"model": name, "embedding": [float(value) for value in vector]}
    return Shown(values, " ".join(f"{value:.4f}" for value in vector))


def _entities(engine: "Engine", text: str, *, name: str, use_base: bool) -> Shown:
    from luthier.models.spans import named_entities

    if use_base:
        raise UserError("a base has no tagger; only the tuned model can mark entities. Leave out --base.")
    worded = engine.wording.word_ids(text)
    [chances] = engine.tag([worded.ids])
    found = named_entities(chances, worded, engine.labels)
    rows = [(each.entity, text[each.entity.start : each.entity.end], each.score) for each in found]
    values = {
        "model": name,
        "entities": [
            {"start": entity.start, "end": entity.end, "text": words, "label": entity.label, "score": score}
            for entity, words, score in rows
        ],
    }
    return Shown(values, "\n".join(f"{score:6.1%}  {entity.label}  {words}" for entity, words, score in rows))


def _base_name(base: Base) -> str:
    """A registry or hub name as it is, a folder by its last part."""
    return base.name if base.name.startswith("hf:") or "/" not in base.name else Path(base.name).name


def _fingerprint(tuned: Tuned, template_hash: str) -> str:
    import importlib.metadata as metadata

    versions = [metadata.version(name) for name in ("torch", "transformers")]
    parts = [tuned.base.digest, tuned.model.digest, template_hash, *versions]
    return f"fp_{sha256_of(parts)[:10]}"
