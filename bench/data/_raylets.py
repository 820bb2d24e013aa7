"""A Ray cluster of three machines, which are raylets here, and one of them dies at work."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
import ray.cluster_utils

from luthier.compute.cluster import Cluster
from luthier.records import Listener, Tick

IMPATIENT = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
"""Settings of Ray: a machine that says nothing for a second is dead."""


@contextmanager
def losing_one() -> Iterator[tuple[Cluster, Listener]]:
    """Where to work, and a listener that kills a machine with a third of the work done; RuntimeError if it did not."""
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # stays on 127.0.0.1
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "include_log_monitor": False}
    machines = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={**head, "_system_config": IMPATIENT})
    try:
        victim = machines.add_node(num_cpus=1)
        machines.add_node(num_cpus=1)
        killed: list[int] = []
        yield Cluster(machines.address), _killer(victim.all_processes["raylet"][0].process.pid, killed)
        if not killed:
            raise RuntimeError("the work ended before a machine was killed")
    finally:
        machines.shutdown()


def _killer(machine: int, killed: list[int]) -> Callable[[Tick], None]:
    def kill(tick: Tick) -> None:
        if not killed and 3 * tick.done >= tick.total:
            os.kill(machine, signal.SIGKILL)
            killed.append(tick.done)

    return kill
