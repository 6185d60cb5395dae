"""An Airflow whose tasks two Celery workers run; Redis carries them, and PostgreSQL holds the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.cluster.airflow_cluster import AirflowCluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.services import Database
    from tests.services.redis import Redis

__all__ = ["SLOTS", "WORKERS", "CeleryCluster"]

WORKERS = ("worker-1", "worker-2")
SLOTS = 2
"""Tasks that one worker runs at the same time."""


class CeleryCluster(AirflowCluster):
    """One Airflow with a CeleryExecutor.

    :param home: an empty folder.
    :param connections: what is added to Airflow's database; fields by connection id.
    :param database: an empty database for the metadata.
    :param redis: the broker.
    """

    parts: ClassVar[Sequence[str]] = ("api-server", "scheduler", "dag-processor", *WORKERS)
    dags_folder: ClassVar[Path] = Path(__file__).parent / "dags"

    def __init__(
        self, home: Path, connections: Mapping[str, Mapping[str, Any]], *, database: Database, redis: Redis
    ) -> None:
        self._database = database
        self._redis = redis
        super().__init__(home, connections)

    def _make_environment(self) -> dict[str, str]:
        url = self._database.plain_url.replace("postgresql://", "postgresql+psycopg2://")
        return super()._make_environment() | {
            "AIRFLOW__CELERY__BROKER_URL": self._redis.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "12",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            # How long a task must be silent before Airflow tries it again.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            # The same for one that a worker has taken and not begun.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
        }

    def _arguments(self, part: str) -> Sequence[str]:
        if part not in WORKERS:
            return super()._arguments(part)
        return [
            "celery",
            "worker",
            f"--celery-hostname={part}@%h",
            f"--pid={self.home / part}.pid",
            "--skip-serve-logs",
            "--without-gossip",
            "--without-mingle",
        ]

    def mapped_tasks(self, dag_id: str, run_id: str, task_id: str) -> list[dict[str, Any]]:
        """Give the task instances that a task was expanded to."""
        found: list[dict[str, Any]] = self.get(
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/listMapped"
        )["task_instances"]
        return found
