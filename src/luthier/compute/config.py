"""Settings of where work is done: they change how long it takes, never what comes out."""

import os
from typing import Annotated, Literal

from pydantic import Field

from luthier.config import Resolved, Settings


class ComputeConfig(Settings):
    """Processes of this machine, or a cluster."""

    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Processes that prepare corpora of more than 64 MB; `auto`: one per processor core that this process may use."""
    cluster: str | None = Field(default=None, min_length=1)
    """Address of a Ray cluster whose machines see the same folders under the same paths; `auto`: the one that runs
    here. It then takes the place of `workers`. Needs `pip install luthier[ray]`."""

    def resolved_workers(self) -> Resolved[int]:
        """How many processes, and why."""
        if self.workers != "auto":
            return Resolved(self.workers, "set in compute.workers")
        cores = len(os.sched_getaffinity(0))
        return Resolved(cores, f"{cores} processor cores")
