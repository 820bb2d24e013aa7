"""Results of long parts: taken again for the same question, made anew for another or by other code of ours."""

from pathlib import Path
from typing import Any

import pytest
from bench import kept as room


def test_a_result_is_made_once_for_each_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WORKSHOP", tmp_path)
    code = {"text": "old"}
    monkeypatch.setattr(room, "code_of", lambda rooms: code["text"])
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(len(made))
        return {"number": made[-1]}

    def ask(seed: int, *, ours: bool) -> int:
        number: int = room.kept("part", {"seed": seed}, make, ours=ours)["number"]
        return number

    assert [ask(0, ours=True), ask(0, ours=True), ask(1, ours=True), ask(0, ours=False)] == [0, 0, 1, 2]
    code["text"] = "new"
    assert ask(0, ours=False) == 2
    assert ask(0, ours=True) == 3
    with pytest.raises(ZeroDivisionError):
        room.kept("part", {"seed": 2}, lambda: {"number": 1 // 0}, ours=False)
    assert ask(2, ours=False) == 4
