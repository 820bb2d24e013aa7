"""What the rows say about each other: boilerplate and quarantine. What leaves goes to the books."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from luthier.prepare.candidate import Books
from luthier.prepare.clean.cleaning import Judged, settle
from luthier.prepare.clean.texts import Cleaned
from luthier.prepare.clean.thresholds import Thresholds
from luthier.prepare.material import Material, Rooted
from luthier.prepare.private.mask import Finding
from luthier.prepare.treat import Treated
from luthier.records import Tags

PRIVATE = "private data of a type that is set to drop"


@dataclass(frozen=True, slots=True)
class Spotted:
    """A finding and the place of the row or document it was found in."""

    at: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Refined:
    """What is left, and what was done."""

    material: Material
    cleaned: Cleaned
    edits: dict[str, int]
    """What was mended: questions, answers and documents by text, tags by illegal step."""
    spotted: list[Spotted]


def refine(treated: Sequence[Treated], *, thresholds: Thresholds, books: Books) -> Refined:
    """Clean what was treated; private data is counted in what stays, and takes out what it is set to."""
    edits: Counter[str] = Counter(questions=0, answers=0, documents=0, tags=0)
    judged: dict[str, tuple[Treated, Judged]] = {}
    for one in treated:
        edits.update(one.edited)
        edits["tags"] += one.item.repairs if isinstance(one.item, Tags) else 0
        if one.judged is None:
            assert not isinstance(one.item, Rooted), "documents leave by what all of them say"
            books.drop(one.item, rule=one.leaves)
        else:
            assert one.judged.row.id not in judged, "two rows have one place and one content"
            judged[one.judged.row.id] = one, one.judged
    cleaned = settle([found for _, found in judged.values()], thresholds)
    for gone in cleaned.dropped:
        books.drop(judged[gone.id][0].example, rule=gone.rule, row_id=gone.id, score=gone.score)
    material = Material([], [])
    spotted: list[Spotted] = []
    for row in cleaned.kept:
        one, _ = judged[row.id]
        at = one.item.document.file if isinstance(one.item, Rooted) else one.item.origin.at
        spotted += [Spotted(at, finding) for finding in one.findings]
        if one.is_private:
            books.drop(one.example, rule=PRIVATE)
        elif isinstance(one.item, Rooted):
            cut = cleaned.edits.get(row.id)
            edits["documents"] += cut is not None and not one.edited
            material.documents.append(one.item if cut is None else one.item.after(row.text, cut))
        else:
            material.rows.append(one.item)
    return Refined(material, cleaned, dict(edits), spotted)
