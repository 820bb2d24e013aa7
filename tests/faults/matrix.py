"""Every way to train, broken at every kind of step: the end is the same, bit for bit."""

import itertools
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiny_runs import Server, Site, make_site

OBJECTIVES = {
    "chat": ("chat", "llama"),
    "complete": ("complete", "llama"),
    "classify, encoder": ("classify", "bert"),
    "classify, decoder": ("classify", "llama"),
    "prefer": ("prefer", "llama"),
    "reward": ("reward", "llama"),
    "reinforce": ("reinforce", "llama"),
}
EMBEDDINGS = "embeddings"
NAMES = {"llama": "embed_tokens", "bert": "word_embeddings"}
METHODS: dict[str, dict[str, Any]] = {
    "LoRA with dropout": {"adapter": {"rank": 2, "dropout": 0.1}},
    "LoRA": {"adapter": {"rank": 2, "dropout": 0.0}},
    "LoRA in bfloat16": {"dtype": "bfloat16"},
    "DoRA with dropout": {"adapter": {"rank": 2, "dropout": 0.1, "variant": "dora"}},
    "rsLoRA, LoRA+ and embeddings in bfloat16": {
        "adapter": {"rank": 2, "variant": "rslora", "lora_plus": 4.0, "modules_to_save": [EMBEDDINGS]},
        "dtype": "bfloat16",
    },
    "LoRA above the first layer": {"adapter": {"rank": 2}, "freeze_layers": 1},
    "full above the first layer": {"method": "full", "adapter": {}, "learning_rate": 0.001, "freeze_layers": 1},
    "full": {"method": "full", "adapter": {}, "learning_rate": 0.001},
    "full in bfloat16": {"method": "full", "adapter": {}, "learning_rate": 0.001, "dtype": "bfloat16"},
}
PIECES = {"several pieces a step": 96, "one piece a step": 10_000}
LAYOUTS: dict[str, dict[str, Any]] = {
    "packed": {"share_prefixes": "off"},
    "padded": {"share_prefixes": "off"},
    "tree": {"share_prefixes": "on"},
}
BREAKS = ("first", "middle", "middle, seldom saved", "last")


@dataclass(frozen=True, slots=True)
class Case:
    """One way to train."""

    objective: str
    method: str
    pieces: str
    layout: str

    def __str__(self) -> str:
        return ", ".join((self.objective, self.method, self.pieces, self.layout))

    def settings(self) -> dict[str, Any]:
        """Settings of the train stage."""
        small = {"batch_tokens": 80} if self.objective.startswith("classify") else {}
        pieces = {"micro_batch_tokens": PIECES[self.pieces]}
        method = json.loads(json.dumps(METHODS[self.method]).replace(f'"{EMBEDDINGS}"', f'"{NAMES[self.kind]}"'))
        return {"epochs": 1.0, **small, **pieces, **method, **LAYOUTS[self.layout]}

    @property
    def kind(self) -> str:
        """Architecture of the base."""
        return OBJECTIVES[self.objective][1]


def cases() -> Iterator[Case]:
    """All that exist: an encoder's tokens see those after them, so they form no tree."""
    for values in itertools.product(OBJECTIVES, METHODS, PIECES, LAYOUTS):
        case = Case(*values)
        if case.layout != "tree" or not case.objective.endswith("encoder"):
            yield case


@dataclass(slots=True)
class Lab:
    """A server, and sites by objective."""

    server: Server
    folder: Path
    sites: dict[str, Site] = field(default_factory=dict)

    def site(self, case: Case, **settings: Any) -> Site:
        """The site of a case, with its settings."""
        if case.objective not in self.sites:
            objective, kind = OBJECTIVES[case.objective]
            place = self.folder / case.objective.replace(", ", "-")
            self.sites[case.objective] = make_site(place, objective, kind)
        return Site(self.sites[case.objective].folder, {**case.settings(), **settings})


def check_case(lab: Lab, case: Case, breaks: Sequence[str] = BREAKS) -> list[str]:
    """What differs in runs of this case that were killed and went on: weights, optimizer, random state or order."""
    site, trouble = lab.site(case), {"padded": True} if case.layout == "padded" else {}
    order = lab.folder / "order"
    order.unlink(missing_ok=True)
    whole = lab.server.run(site, "whole", order=str(order), **trouble)
    if whole.code != 0:
        return [f"{case}, {kind}: ended unbroken with {whole.code}: {whole.told[-800:]}" for kind in breaks]
    expected, plan = site.result("whole"), _order(order)
    if (found := _layout(site.folder / "whole" / "model")) != case.layout:
        return [f"{case}, {kind}: was {found}" for kind in breaks]
    steps = len(plan)
    at = {"first": 1, "middle": steps // 2, "middle, seldom saved": steps // 2 + 1, "last": steps}
    wrong = []
    for kind in breaks:
        place = lab.site(case, checkpoint_minutes=60.0) if "seldom" in kind else site
        order.unlink()
        killed = lab.server.run(place, "broken", at=at[kind], deed="die", order=str(order), **trouble)
        again = lab.server.run(place, "broken", order=str(order), **trouble)
        if (killed.code, again.code) != (-signal.SIGKILL, 0):
            wrong.append(f"{case}, {kind}: ended with {killed.code} and {again.code}: {again.told[-800:]}")
        else:
            found = place.result("broken")
            differ = sorted(name for name in expected if found.get(name) != expected[name])
            differ += [] if _order(order) == plan else ["order of samples"]
            wrong += [f"{case}, {kind}: {differ} differ"] if differ else []
        shutil.rmtree(place.folder / "broken", ignore_errors=True)
    shutil.rmtree(site.folder / "whole")
    return wrong


def _layout(model: Path) -> str:
    """How the rows of a finished model were laid out."""
    facts = json.loads((model / "manifest.json").read_text())["facts"]
    shared = facts["choices"].get("share_prefixes", {}).get("value")
    return "tree" if shared in {True, "on"} else str(facts["reasons"]["forward"]).partition(":")[0]


def _order(path: Path) -> dict[int, list[int]]:
    """Rows of each step; a step that was done twice must have had the same rows twice."""
    found: dict[int, list[int]] = {}
    for line in path.read_text().splitlines():
        index, rows = json.loads(line)
        if found.setdefault(index, rows) != rows:
            return {}
    return found


def check_all(lab: Lab, chosen: Sequence[Case], tell: Callable[[str], None]) -> list[str]:
    """Check one case after another."""
    wrong = []
    for case in chosen:
        found = check_case(lab, case)
        tell(f"{case}: {'; '.join(found) or 'equal'}")
        wrong += found
    return wrong
