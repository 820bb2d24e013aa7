"""What graders give for answers, and what they refuse."""

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from luthier.errors import UserError
from luthier.graders import marking
from luthier.graders.built_in import BUILT_IN
from luthier.graders.marking import GraderConfig, Grading, Markings, graders_of, marking_of, written

SCHEMA = {
    "type": "object",
    "required": ["part"],
    "properties": {"part": {"type": "string", "pattern": "^[A-Z]"}, "count": {"$ref": "#/$defs/count"}},
    "$defs": {"count": {"type": "integer", "minimum": 1}},
}
CASES: list[tuple[str, dict[str, Any], str, list[str], float]] = [
    ("exact", {}, "The Pump.", ["pump"], 1.0),
    ("exact", {}, "a pump and a valve", ["pump"], 0.0),
    ("contains", {}, "It is the pump, I think.", ["valve", "Pump"], 1.0),
    ("contains", {}, "pumps", ["pump"], 0.0),
    ("contains", {}, "a - b", ["-"], 1.0),
    ("numeric", {}, "2 and 3 make 5.0", ["5"], 1.0),
    ("numeric", {}, "about 5.4", ["5.42"], 0.0),
    ("numeric", {}, "none", ["5"], 0.0),
    ("labels", {}, "B; a", ["A; b"], 1.0),
    ("labels", {}, "a; c", ["a; b"], 1 / 3),
    ("labels", {"known": ["a", "b"]}, "a; c", ["a; b"], 0.0),
    ("regex", {"pattern": r"^\d+$"}, "12", ["x"], 1.0),
    ("regex", {"pattern": r"^\d+$"}, "12 of them", ["x"], 0.0),
    ("json", {}, "null", ["x"], 1.0),
    ("json", {}, "{'a': 1}", ["x"], 0.0),
    ("json", {"schema": SCHEMA}, '{"part": "Pump", "count": 2}', ["x"], 1.0),
    ("json", {"schema": SCHEMA}, '{"part": "pump"}', ["x"], 0.0),
    ("json", {"schema": SCHEMA}, '{"part": "Pump", "count": 0}', ["x"], 0.0),
    ("json", {"schema": SCHEMA}, "[]", ["x"], 0.0),
    ("length", {"most_words": 2}, "two words", ["x"], 1.0),
    ("length", {"most_words": 2, "least_words": 2}, "one", ["x"], 0.0),
]


@pytest.mark.parametrize(("name", "options", "answer", "golds", "worth"), CASES)
def test_graders_give_what_an_answer_is_worth(
    name: str, options: dict[str, Any], answer: str, golds: list[str], worth: float
) -> None:
    assert BUILT_IN[name](**options)(answer, golds) == pytest.approx(worth)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("psychic", "there is no grader 'psychic'. There are: contains, exact, json, labels, length, numeric, regex"),
        ({"grader": "regex", "options": {"pattern": "("}}, r"grader regex: pattern '\('"),
        ({"grader": "regex"}, "grader regex: .*pattern"),
        ({"grader": "exact", "options": {"loud": 1}}, "grader exact: .*loud"),
        ({"grader": "json", "options": {"schema": {"type": "thing"}}}, "grader json: schema: 'thing' is not valid"),
        ({"grader": "labels", "options": {"known": "a"}}, "grader labels: known is text"),
        ({"grader": "length", "options": {"most_words": 1, "least_words": 2}}, "grader length: least_words is 2"),
        ({"grader": "exact", "weight": 0}, "weight: Input should be greater than 0"),
        ({"name": "exact"}, "grader: Field required"),
        (7, "Input should be"),
    ],
)
def test_what_is_no_grader_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        marking_of(graders_of(spec))


def test_a_reward_is_the_weighted_sum_and_a_gold_must_earn_something() -> None:
    both = marking_of(graders_of(["exact", {"grader": "length", "weight": 0.5, "options": {"most_words": 2}}]))
    assert both.most == 1.5
    assert both.reward("pump", ["pump"]) == 1.5
    assert both.reward("no pump", ["pump"]) == 0.5
    assert both.reward("it is no pump", ["pump"]) == 0.0
    both.check(["pump"])
    with pytest.raises(UserError, match=r"the gold 'pump' would itself earn nothing from its graders \(json\)"):
        marking_of(graders_of("json")).check(["pump"])
    with pytest.raises(UserError, match="the gold 'pump' holds no number"):
        marking_of(graders_of("numeric")).check(["pump"])


def test_a_pattern_that_would_never_end_is_stopped() -> None:
    slow = marking_of(graders_of({"grader": "regex", "options": {"pattern": "^(a|a)*$"}}))
    began = time.process_time()
    with pytest.raises(UserError, match="takes over 1 s"):
        slow.reward("a" * 60 + "!", ["x"])
    assert time.process_time() - began < 10


@pytest.mark.parametrize("schema", [{"$ref": "https://example.com/schema.json"}, {"$ref": "#/$defs/none"}])
def test_a_schema_loads_nothing_from_elsewhere(schema: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a reference leads nowhere within it"):
        marking_of(graders_of({"grader": "json", "options": {"schema": schema}})).reward("{}", ["x"])


def test_gradings_come_back_from_their_text() -> None:
    graders = graders_of([{"grader": "json", "options": {"schema": SCHEMA}}, "exact"])
    grading = Grading(('{"part": "Pümp"}', "b"), graders)
    assert Grading.of(grading.text) == grading
    assert Grading.of(Grading(("a",)).text) == Grading(("a",))
    assert written(graders) == written(graders_of([{**one.model_dump()} for one in graders]))
    markings = Markings((GraderConfig(grader="contains"),))
    assert markings.of(grading) is markings.of(Grading(("c",), graders))
    assert markings.of(Grading(("a",))).reward("an a b", ["b"]) == 1.0


def shouts(*, mark: str = "!") -> Any:
    """A grader of somebody else's."""

    def grade(answer: str, _golds: Sequence[str]) -> float:
        return float(answer.count(mark))

    return grade


def test_installed_graders_are_found_and_held_to_their_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(*, group: str) -> Iterator[EntryPoint]:
        yield EntryPoint("shouts", f"{shouts.__module__}:shouts", group)

    monkeypatch.setattr(marking, "entry_points", installed)
    found = marking_of(graders_of({"grader": "shouts", "options": {"mark": "?"}}))
    assert found.reward("really?", ["x"]) == 1.0
    with pytest.raises(UserError, match="grader shouts gave 2 for the answer 'really\\?\\?', expected 0 to 1"):
        found.reward("really??", ["x"])
