"""A program that works on a cluster of three machines, which are raylets here, and kills one: store, log, armed."""

import json
import logging
import os
import signal
import sys
from pathlib import Path

import ray
import ray.cluster_utils
from shard_work import DieOnce, Refuse, Write, tasks

from luthier.compute.cluster import Cluster
from luthier.compute.shards import run_shards
from luthier.errors import LuthierError
from luthier.records import Tick

SHARDS = 30
IMPATIENT = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
"""Settings of Ray: a machine that says nothing for a second is dead."""


def work_on(machines: ray.cluster_utils.Cluster, store: Path, log: Path, armed: Path) -> None:
    victim = machines.add_node(num_cpus=1)
    machines.add_node(num_cpus=1)
    killed_at = []

    def kill(tick: Tick) -> None:
        if tick.done >= SHARDS // 3 and not killed_at:
            os.kill(victim.all_processes["raylet"][0].process.pid, signal.SIGKILL)
            killed_at.append(tick.done)

    def tell(case: str, work: object, where: Path) -> None:
        try:
            done = run_shards(work, tasks(SHARDS), store=where, executor=Cluster(machines.address), listener=kill)
            told = len(done)
        except LuthierError as error:
            told = f"{type(error).__name__}: {error}"
        print(json.dumps({case: told}), flush=True)

    tell("all", Write(log, 0.05), store)
    print(json.dumps({"killed at": killed_at}), flush=True)
    tell("refused", Refuse(Write(log), 5), store.with_name("refused"))
    tell("died", DieOnce(Write(log), shard=5, armed=armed), store.with_name("died"))
    os.chdir(store.parent)
    ray._private.worker._worker_logs_enabled = False  # a program that connects by itself sees to its own output
    ray.init(address=machines.address, log_to_driver=False, logging_level=logging.ERROR)
    tell("connected before", Write(log), Path("connected"))
    assert ray.is_initialized()
    ray.shutdown()


def main() -> None:
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # stays on 127.0.0.1
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False, "include_log_monitor": False}
    machines = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={**head, "_system_config": IMPATIENT})
    try:
        work_on(machines, *map(Path, sys.argv[1:]))
    finally:
        machines.shutdown()


if __name__ == "__main__":
    main()
