"""A folder of hostile files among good ones: every hostile file costs itself, and nothing else."""

import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import hostile_files
import pytest

from luthier.artifacts.documents import read_documents
from luthier.artifacts.folders import CorpusDir
from luthier.artifacts.rows import read_examples
from luthier.collect.config import CollectConfig
from luthier.collect.ledger import Entry, read_files
from luthier.collect.stage import collect

REASONS = {
    "nested.zip|deep.zip": "archives in archives are opened 2 deep",
    "quine*": "the very archive that it lies in|archives in archives",
    "bomb*.zip|bomb.gz|bomb.tar.gz|bomb.bz2|bomb.xz": "100-fold when unpacked|grows more than 100-fold",
    "slip*.zip|slip.tar|absolute.zip|drive.zip": "leads out of the archive|an absolute name",
    "nul.zip": "a name that no file can have",
    "long_name.zip": "a name over 1,000 bytes",
    "link.*|hard_link.tar": "a link",
    "device.*": "not a regular file",
    "locked.zip": "encrypted",
    "lying_size.zip|bad_crc.zip|truncated.gz|truncated.xz|truncated.bz2|*.tar": "damaged (member|archive)",
    "truncated.zip|scratched.zip|truncated.docx|truncated.xlsx": "holds damaged zip",
    "passwd.txt|above": "link that leads out of the folder",
    "nowhere.txt": "link that leads nowhere",
    "pipe.txt": "not a regular file",
    "laughs*.xml|quadratic.xml|parameter.xml|external.xml": "declares entities, which are never expanded",
    "laughs.*|external.docx|remote.docx|utf16.docx": "declares a document type or entities",
    "bomb.docx|bomb.xlsx": "expands more than 100-fold",
    "deep.docx|deep.xml|deep.ipynb": "depth|nested more than",
    "no_body.docx|truncated.xml": "is damaged|not readable as XML",
    "slip.epub": "is missing in the package",
    "far_cell.xlsx|circle.xls|flate*.pdf|form_in_form.pdf": "more than 1 GB of memory",
    "circle.msg": "damaged Outlook message",
    "cyclic_xref*.pdf": "cross-reference tables point back at each other",
    "locked.pdf": "needs a password",
    "*.pdf": "pdfium cannot open it",
    "lying.*|nul.*|program.txt|picture.md": "named .* but holds",
    "*.parquet": "damaged Parquet file",
    "wrong.ipynb": "the reader stopped",
    "deep_object.json": "no list of objects",
    "deep.json*|huge_*|surrogate.jsonl|many_columns.csv": "1 of 1 rows rejected",
}
"""Names of hostile files -> what the ledger says is wrong; the first that fits counts."""
HARMLESS = {
    "aliases.md": ("ok", "front matter is not expanded"),
    "bomb.eml": ("ok", "the letter is a letter; the bomb that it carries has a row of its own"),
    "cyclic_branch.pdf": ("partial", "its page is read; what the tree names again is no page"),
    "cyclic_contents.pdf": ("empty", "a page without content"),
    "cyclic_length.pdf": ("ok", "the end of the stream is looked for"),
    "cyclic_outline*.pdf": ("ok", "every bookmark is visited once"),
    "cyclic_parent.pdf": ("ok", "nobody asks a page for its parent's parents"),
    "deep_array.pdf": ("empty", "a page without content"),
    "flate_objects.pdf": ("ok", "nothing on the page asks for the objects in the bomb"),
    "flate_picture.pdf": ("scanned", "pictures are not unpacked"),
    "loop": ("skipped", "what it leads to is read anyway"),
    "lying.pdf": ("ok", "an archive, whatever its name; the noise in it has a row of its own"),
    "many.zip": ("partial", "read up to the limit"),
    "negative_length.pdf": ("empty", "a page without content"),
    "open_quote.csv": ("partial", "one row is lost, the others are good"),
    "remote.xml": ("ok", "what it points to is never fetched"),
    "slip.eml": ("ok", "the name is cut to its last part"),
    "truncated.json": ("partial", "the rows before the cut are good"),
}
"""Files that hurt other readers only -> how they end, and why that is right."""
FEWEST_FAILED = 60
MOST_GROWTH = 50 << 20
DEEP = 100


@dataclass(frozen=True)
class Collected:
    """What was made of a folder of good files, without and with a hostile one beside each."""

    alone: CorpusDir
    together: CorpusDir
    world: Path
    """Holds the folder that was read, and other files."""
    before: dict[str, tuple[int, int]]
    growth: int
    """Bytes of memory that this process needed at its peak, above what it held before."""

    def rows(self) -> dict[str, list[Entry]]:
        """Ledger rows by top-level file."""
        rows = defaultdict(list)
        for entry in read_files(self.together.file("files.parquet")):
            rows[entry.path.split("!/")[0]].append(entry)
        return dict(rows)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    world, out = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("out")
    (world / "secret.txt").write_text("secret")
    good, data = world / "good", world / "data"
    data.mkdir()
    # In a process of its own: what this one gives back after writing gigabytes would hide what it needs for reading.
    subprocess.run([sys.executable, hostile_files.__file__, str(data)], check=True)
    write_good_files(good, [path.name for path in data.iterdir()])
    config = CollectConfig(sources=["."], accept_losses=True, bad_rows=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("luthier.collect.session.MOST_ENTRIES", DEEP)
        # A file in which every row is bad stops a run on purpose; here it is one of many.
        patch.setattr("luthier.collect.stage.check_corpus", lambda *_, **__: None)
        alone = collect([good], config=config, out=out / "alone")
        for path in good.iterdir():
            (data / path.name).write_bytes(path.read_bytes())
        before, held = state(world), memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        together = collect([data], config=config, out=out / "together")
        growth = memory("VmHWM") - held
    return Collected(alone, together, world, before, growth)


def write_good_files(folder: Path, names: list[str]) -> None:
    """A good file for each of these names, which sorts behind it: a text, some Markdown, or rows."""
    folder.mkdir()
    for number, name in enumerate(sorted(names)):
        kinds = {
            "txt": f"In the middle, number {number}.\n",
            "md": f"# Page {number}\n\nAll is well.\n",
            "csv": f"question,answer\nWhy {number}?,Because.\n",
        }
        suffix, text = list(kinds.items())[number % 3]
        (folder / f"{name}~.{suffix}").write_text(text)


def memory(kind: str) -> int:
    """Bytes of memory that this process holds (VmRSS), or held at most (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{kind}:\s+(\d+) kB", status)[0]) << 10


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything under a folder."""
    found = ((str(path), path.lstat()) for path in folder.rglob("*"))
    return {name: (entry.st_size, entry.st_mtime_ns) for name, entry in found}


def fits(name: str, patterns: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns.split("|"))


def test_every_hostile_file_ends_as_a_failed_row_that_names_what_is_wrong(collected: Collected) -> None:
    hostile = {name: found for name, found in collected.rows().items() if "~." not in name}
    harmful = {name: found[0] for name, found in hostile.items() if not any(fits(name, known) for known in HARMLESS)}
    assert {name: entry.outcome for name, entry in harmful.items() if entry.outcome != "failed"} == {}
    reason = {name: next((why for names, why in REASONS.items() if fits(name, names)), "^$") for name in harmful}
    assert {name: entry.reason for name, entry in harmful.items() if not re.search(reason[name], entry.reason)} == {}
    assert len(harmful) >= FEWEST_FAILED


def test_only_files_in_which_nothing_hostile_is_reached_end_otherwise(collected: Collected) -> None:
    rows = collected.rows()
    ends = {
        name: next(outcome for known, (outcome, _) in HARMLESS.items() if fits(name, known))
        for name in rows
        if any(fits(name, known) for known in HARMLESS)
    }
    assert {name: rows[name][0].outcome for name in ends} == ends
    assert all(any(fits(name, known) for name in ends) for known in HARMLESS)
    carried = {entry.path: entry.outcome for entry in rows["bomb.eml"][1:]}
    assert carried == {"bomb.eml!/zeros.zip": "failed", "bomb.eml!/zeros.zip!/zeros.txt": "failed"}


def test_nothing_of_another_file_is_ever_read_and_none_is_touched(collected: Collected) -> None:
    texts = [document.text for document in read_documents(collected.together.file("documents.parquet"))]
    assert not any("root:" in text or "lollol" in text or "secret" in text for text in texts)
    assert state(collected.world) == collected.before
    assert not Path("/tmp/evil.txt").exists()


def test_a_good_file_beside_each_hostile_one_reads_as_without_it(collected: Collected) -> None:
    def good(corpus: CorpusDir) -> dict[str, list[object]]:
        found: dict[str, list[object]] = defaultdict(list)
        for entry in read_files(corpus.file("files.parquet")):
            if "~." in entry.path:
                found[entry.path].append(entry)
        for document in read_documents(corpus.file("documents.parquet")):
            found[document.file].append(document)
        for example in read_examples(corpus.file("examples.parquet")):
            found[example.origin.file].append(example)
        return {name: records for name, records in found.items() if "~." in name}

    alone = good(collected.alone)
    assert all(len(records) == 2 for records in alone.values())
    assert len(alone) == sum("~." not in name for name in collected.rows())
    assert good(collected.together) == alone


def test_an_archive_of_too_many_members_is_read_in_part(collected: Collected) -> None:
    archive, *members = collected.rows()["many.zip"]
    assert (archive.outcome, archive.members, len(members)) == ("partial", DEEP, DEEP)
    assert archive.reason == f"only the first {DEEP} members were unpacked"


def test_memory_hardly_grows(collected: Collected) -> None:
    assert collected.growth < MOST_GROWTH
