"""Check a report against its own scores."""

from pathlib import Path

from luthier.pipeline.actions.shown import Shown


def verify(path: Path) -> Shown:
    """Recompute an evidence file, or that of a report or run folder; not well if anything does not follow."""
    from luthier.evaluate.verify import verify as find_problems

    problems = find_problems(path)
    text = "\n".join(problems) or f"{path}: every figure, gate and the verdict follow from the recorded scores"
    return Shown({"evidence": str(path), "holds": not problems, "problems": problems}, text, well=not problems)
