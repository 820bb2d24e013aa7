"""Which arms sit which items, and why the others do not."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from luthier.artifacts.folders import ExamDir
from luthier.artifacts.sealed import examples_in, sources_in
from luthier.evaluate.arms import FEW_SHOT, OPEN_BOOK, RIVALS
from luthier.records import Item

NO_SOURCE = "{without:,} of {items:,} items were not cut from a text, so nobody can say which text answers them"
NO_EXAMPLES = "no questions of this kind are left that could be shown with their answers"


@dataclass(frozen=True, slots=True)
class Lineup:
    """Arms that are asked, and each that was wanted and is not -> why."""

    arms: list[str]
    not_asked: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Props:
    """What an exam holds for arms to be shown."""

    sources: Container[str]
    """Ids of items whose source is known."""
    examples: Container[str]
    """Tasks of made items of which there are examples."""
    wants: Callable[[str], bool]
    """Whether the settings ask for an arm."""

    def lineup(self, items: Sequence[Item], metric: str) -> Lineup:
        """The arms that sit these items of one claim, which are judged by `metric`."""
        wanted = [name for name in possible(items, metric) if self.wants(name)]
        reasons = {name: self._missing(name, items) for name in wanted}
        asked = [name for name in wanted if not reasons[name]]
        return Lineup(["base", "tuned", *asked], {name: why for name, why in reasons.items() if why})

    def _missing(self, arm: str, items: Sequence[Item]) -> str:
        """Why an arm cannot sit these items; empty if it can."""
        if arm == OPEN_BOOK:
            without = sum(item.id not in self.sources for item in items)
            return NO_SOURCE.format(without=without, items=len(items)) if without else ""
        if arm == FEW_SHOT:
            unshown = {item.task for item in items if item.family and item.task not in self.examples}
            return NO_EXAMPLES if unshown else ""
        return ""


def possible(items: Sequence[Item], metric: str) -> tuple[str, ...]:
    """Rivals that items of one claim can have. What made items ask of documents never trained on stands in no training
    text; given their own source they show that they can be answered at all.
    """
    rivals = RIVALS.get(metric, ())
    is_about_new = any(item.family and item.claim == "SKILL" for item in items)
    return tuple(name for name in rivals if name == OPEN_BOOK) if is_about_new else rivals


def props_of(exam: ExamDir, *, wants: Callable[[str], bool]) -> Props:
    """What this exam holds."""
    return Props(sources_in(exam).keys(), {one.task for one in examples_in(exam)}, wants)
