"""MLflow: a run in the experiment `luthier`, at MLFLOW_TRACKING_URI or in the run's folder of checkpoints."""

import time
from collections.abc import Mapping

import mlflow
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from luthier.train.tracking import Run

EXPERIMENT = "luthier"
TAG = "luthier.id"


class MlFlow:
    """A run of MLflow; a training that goes on goes on in its own."""

    def __init__(self, run: Run) -> None:
        home = None if mlflow.is_tracking_uri_set() else f"sqlite:///{run.folder / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=home)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(EXPERIMENT)
        earlier = self._client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{run.id}'", max_results=1)
        self._run: str = (
            earlier[0].info.run_id
            if earlier
            else self._client.create_run(experiment, run_name=run.name, tags={TAG: run.id}).info.run_id
        )
        settings = [Param(name, str(value)) for name, value in run.settings.items()]
        self._client.log_batch(self._run, params=settings)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add a metric for each value."""
        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._run)
