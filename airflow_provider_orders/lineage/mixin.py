"""How a task tells OpenLineage; light, because DAG files import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_orders.lineage.datasets import LineageDataset

__all__ = ["ReportsLineageMixin"]


class ReportsLineageMixin:
    """Tells OpenLineage, when a task ends, what it has read and written.

    A task keeps a few texts and numbers. They are made into what OpenLineage understands when it asks, which it does only
    where its provider is installed.
    """

    _inputs: tuple[LineageDataset, ...] = ()
    _outputs: tuple[LineageDataset, ...] = ()

    def note_lineage(self, *inputs: LineageDataset, outputs: tuple[LineageDataset, ...] = ()) -> None:
        """Keep what was read and written, until somebody asks."""
        self._inputs, self._outputs = inputs, outputs

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Give the inputs and outputs; None where nothing was read, or Airflow has no OpenLineage provider."""
        del task_instance
        if not self._inputs:
            return None
        try:
            from airflow.providers.openlineage.extractors import OperatorLineage
        except ImportError:
            return None
        return OperatorLineage(
            inputs=[dataset.as_input() for dataset in self._inputs],
            outputs=[dataset.as_output() for dataset in self._outputs],
        )
