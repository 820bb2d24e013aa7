"""Find everything a run holds about one person, and have it left out from the next `prepare` on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.artifacts.folders import REPLACED, CorpusDir, DatasetDir, ModelDir
from luthier.errors import UserError
from luthier.pipeline.actions.shown import Shown
from luthier.pipeline.project import FOLDS_FOLDER, Project, open_run

if TYPE_CHECKING:
    from luthier.prepare.private.mask import Rules
    from luthier.records import Span


@dataclass(slots=True)
class Traces:
    """Where a person was found in the corpus: places in files, and bytes of documents."""

    places: set[str] = field(default_factory=set)
    spans: list["Span"] = field(default_factory=list)

    def lead_to(self, row: dict[str, Any]) -> bool:
        """Whether a row of `splits.parquet` was cut from one of them."""
        if row["document"] is None:
            return row["at"] in self.places
        return any(
            span.document == row["document"] and span.start < row["end"] and row["start"] < span.end
            for span in self.spans
        )


def forget(run: Path, subject: str, *, write: bool = True) -> Shown:
    """Report a person's rows and the models trained on them; with `write`, list them for `prepare` to leave out.

    Raises NotFoundError if the folder is no run, or has no corpus or no key yet; UserError for an empty subject.
    """
    from luthier.prepare.private.forget import ForgetList, forget_list_path, read_forget_list, write_forget_list
    from luthier.prepare.private.mask import codes_of, make_rules
    from luthier.prepare.private.pseudonym import read_key

    if not subject.strip():
        raise UserError("--subject is empty. Name what stands in the data: an address, a number, a name.")
    project = open_run(run)
    settings = project.config.prepare.private
    rules = make_rules(settings, key=read_key(project.home / settings.key), home=project.home)
    codes = codes_of(subject.strip(), rules=rules)
    corpus = CorpusDir.open(run / CorpusDir.kind)
    traces, seen = _traces(corpus, subject, codes, rules)
    rows = [row for dataset in _all(run, DatasetDir) for row in _rows(dataset, traces, seen)]
    wanted = ForgetList(codes=seen, rows=frozenset(row["id"] for row in rows if row["id"]))
    path = forget_list_path(settings, home=project.home)
    listed = read_forget_list(path)
    fresh = listed.joined(wanted) != listed
    if write and fresh:
        write_forget_list(path, listed.joined(wanted))
    values: dict[str, Any] = {
        "run": str(run),
        "codes": sorted(seen),
        "places": sorted(traces.places),
        "rows": rows,
        "models": _models(run, rows),
        "list": str(path) if write and (fresh or wanted.digest) else None,
        "new": fresh,
    }
    return Shown(values, _words(values, project, write=write))


def _traces(corpus: CorpusDir, subject: str, codes: frozenset[str], rules: "Rules") -> tuple[Traces, frozenset[str]]:
    """Where the corpus holds one of the codes or the words themselves, and which codes it holds."""
    from luthier.artifacts.documents import read_documents
    from luthier.artifacts.rows import read_examples
    from luthier.prepare.private.examples import mask_examples, texts_of
    from luthier.prepare.private.mask import mask_text
    from luthier.records import Span

    traces, seen = Traces(), set[str]()
    words = _plain(subject)
    for masked in mask_examples(read_examples(corpus.file("examples.parquet")), rules=rules):
        found = codes & masked.codes
        if found:
            seen |= found
            traces.places.add(masked.example.origin.at)
    for example in read_examples(corpus.file("examples.parquet")):
        if any(words in _plain(text) for _, text in texts_of(example)):
            traces.places.add(example.origin.at)
    for document in read_documents(corpus.file("documents.parquet")):
        findings = [one for one in mask_text(document.text, rules=rules).findings if one.code in codes]
        seen |= {one.code for one in findings}
        spans = [(one.start, one.end) for one in findings] + list(_word_spans(document.text, subject))
        if spans:
            traces.places.add(document.file)
        for start, end in spans:
            first = len(document.text[:start].encode())
            traces.spans.append(Span(document.id, first, first + len(document.text[start:end].encode())))
    return traces, frozenset(seen)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _word_spans(text: str, subject: str) -> Iterator[tuple[int, int]]:
    pattern = r"\s+".join(map(re.escape, subject.split()))
    for match in re.finditer(pattern, text, re.IGNORECASE):
        yield match.span()


def _all(run: Path, kind: type[DatasetDir] | type[ModelDir]) -> list[Any]:
    """The run's current folder of one kind, and those it replaced; those of its folds, too."""
    places = [run, *sorted((run / FOLDS_FOLDER).glob("*"))]
    folders = [
        folder for place in places for folder in (place / kind.kind, *sorted((place / REPLACED).glob(f"{kind.kind}-*")))
    ]
    return [kind.open(folder) for folder in folders if folder.is_dir()]


def _rows(dataset: DatasetDir, traces: Traces, codes: frozenset[str]) -> Iterator[dict[str, Any]]:
    from luthier.artifacts.tables import read_table

    about = {"dataset": str(dataset.path), "digest": dataset.digest}
    for row in read_table(dataset.file("splits.parquet")):
        if traces.lead_to(row):
            yield {"id": row["id"], "at": row["at"], "part": row["part"], **about}
    for row in read_table(dataset.file("dropped.parquet")):
        held = row["at"] in traces.places or any(f"[{code}]" in row["text"] for code in codes)
        # The words of those who were forgotten before are gone from this table.
        if held and row["text"]:
            yield {"id": row["id"], "at": row["at"], "part": f"dropped: {row['rule']}", **about}


def _models(run: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for model in _all(run, ModelDir):
        trained = [
            row for row in rows if row["digest"] == model.manifest.inputs.get("dataset") and row["part"] == "train"
        ]
        if trained:
            found.append({"path": str(model.path), "digest": model.digest, "rows": len(trained)})
    return found


def _words(values: dict[str, Any], project: Project, *, write: bool) -> str:
    if not values["places"] and not values["rows"]:
        return f"{project.config.name}: holds nothing about this person; nothing was written"
    lines = [f"found under {', '.join(values['codes']) or 'its own words'}, at {len(values['places'])} places:"]
    lines += [f"  {place}" for place in values["places"]]
    lines += [f"row {row['id'] or '-'}  {row['part']:<12} {row['at']}  in {row['dataset']}" for row in values["rows"]]
    lines += [f"model {one['path']} was trained on {one['rows']} of these rows" for one in values["models"]]
    if not write:
        return "\n".join([*lines, "nothing was written (--dry-run)"])
    lines.append(f"listed in {values['list']}" + ("" if values["new"] else " (already before)"))
    lines.append(
        "Next: delete the places above from your files, run again, and remove the models and replaced folders above."
    )
    return "\n".join(lines)
