"""From settings to where work is done."""

from luthier.compute.config import ComputeConfig
from luthier.compute.shards import HERE, Executor, Processes


def executor_for(config: ComputeConfig) -> Executor:
    """This process, several, or a cluster. UserError if a cluster is asked for and Ray is not installed."""
    if config.cluster is not None:
        from luthier.compute.cluster import Cluster

        return Cluster(config.cluster)
    workers = config.resolved_workers().value
    return HERE if workers == 1 else Processes(workers)
