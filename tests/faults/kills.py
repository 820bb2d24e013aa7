"""Runs that are killed from outside at random moments, or at a named point, and must end as if nothing had been."""

import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from phases import PHASES
from tiny_runs import Ended, Server, Site
from trouble import OTHER_POINTS, POINTS

AGAIN = 0.25
"""Chance of another kill after a kill."""
COMMITS = 3
"""A point of a commit is taken at one of so many commits."""


@dataclass(slots=True)
class Tally:
    """What came of many broken runs."""

    runs: int = 0
    kills: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    """What was being done at each kill from outside."""
    points: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    """Runs that did not end, or ended otherwise than the unbroken one, and how."""


def kill_many(
    servers: Sequence[Server], site: Site, *, runs: int, seed: int, tell: Callable[[Tally], None] = lambda _tally: None
) -> Tally:
    """Break so many runs at least once each. An unbroken run `whole` must be there; its time scales the moments."""
    expected = site.result("whole")
    shutil.rmtree(site.folder / "measured", ignore_errors=True)
    seconds = servers[0].run(site, "measured").seconds
    tally, numbers, lock = Tally(), iter(range(10 * runs)), threading.Lock()

    def work(server: Server) -> None:
        while True:
            with lock:
                if tally.runs >= runs:
                    return
                number = next(numbers)
            broken = _Broken(server, site, f"run-{number}", random.Random(f"{seed} {number}"), seconds)
            broken.go_on(expected)
            with lock:
                _count(tally, broken)
                tell(tally)

    with ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(work, servers))
    return tally


def _count(tally: Tally, broken: "_Broken") -> None:
    tally.runs += bool(broken.phases or broken.points)
    tally.kills += len(broken.phases) + len(broken.points)
    tally.phases.update(broken.phases)
    tally.points.update(broken.points)
    tally.lost += [f"{broken.name}: {broken.lost}"] if broken.lost else []


@dataclass(slots=True)
class _Broken:
    """One run that is broken until it is done."""

    server: Server
    site: Site
    name: str
    dice: random.Random
    seconds: float
    phases: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    lost: str = ""

    def go_on(self, expected: dict[str, str]) -> None:
        """Break it, let it end, compare it and remove it."""
        ended = self._break()
        while ended.code == -signal.SIGKILL and self.dice.random() < AGAIN:
            ended = self._break()
        if ended.code == -signal.SIGKILL:
            ended = self.server.run(self.site, self.name)
        if ended.code != 0:
            self.lost = f"ended with {ended.code} in {ended.phase}: {ended.told[-500:]}"
        elif "moved to" in ended.told or "is gone" in ended.told:
            self.lost = f"a checkpoint was lost: {ended.told[-500:]}"
        elif (found := self.site.result(self.name)) != expected:
            self.lost = f"differs in {sorted(name for name in expected if found.get(name) != expected[name])}"
        shutil.rmtree(self.site.folder / self.name)

    def _break(self) -> Ended:
        """Run until a kill: at any moment, in a phase, or at a named point."""
        way = self.dice.choice(["moment", "phase", "point"])
        if way == "point":
            point = self.dice.choice([*POINTS, *OTHER_POINTS])
            nth = self.dice.randint(1, COMMITS) if point in POINTS else 1
            ended = self.server.run(self.site, self.name, point=point, nth=nth)
            self.points += [point] if ended.code == -signal.SIGKILL else []
            return ended
        child = self.server.start(self.site, self.name)
        if way == "phase":
            child.wait_for(self.dice.randrange(len(PHASES)))
            time.sleep(self.dice.expovariate(1000))
        else:
            time.sleep(self.dice.uniform(0, self.seconds))
        child.kill()
        ended = child.wait()
        self.phases += [ended.phase] if ended.code == -signal.SIGKILL else []
        return ended


def kill_at(server: Server, site: Site, points: Sequence[str]) -> str:
    """Kill a run at one named point after the other and let it end; what was lost, or an empty string."""
    name = points[0].replace(" ", "-").replace("'", "").replace(",", "")
    for point in points:
        ended = server.run(site, name, point=point)
        if ended.code != -signal.SIGKILL:
            return f"{point}: not reached, {ended.told}"
    ended = server.run(site, name)
    left = [path.name for path in (site.folder / name).rglob(".*")]
    same = ended.code == 0 and site.result(name) == site.result("whole")
    shutil.rmtree(site.folder / name)
    return "" if same and not left else f"{points}: ended with {ended.code}, equal {same}, left {left}; {ended.told}"
