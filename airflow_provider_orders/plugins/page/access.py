"""What the person who looks at the page may read, as Airflow's auth manager says."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.models.resource_details import AssetDetails, DagDetails
from airflow.models.dag import DagModel

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from sqlalchemy.orm import Session

__all__ = ["Access"]


class Access:
    """Asks the auth manager, each question once; it is for one request.

    :param auth_manager: Airflow's own.
    :param user: who asks.
    :param session: a session of the metadata database.
    """

    def __init__(self, auth_manager: BaseAuthManager[Any], user: Any, session: Session) -> None:
        self.auth_manager = auth_manager
        self.user = user
        self.session = session
        self._assets: dict[int, bool] = {}
        self._entities: dict[tuple[str, DagAccessEntity], bool] = {}

    @cached_property
    def dag_ids(self) -> set[str]:
        """DAGs that the user may read."""
        return self.auth_manager.get_authorized_dag_ids(user=self.user, method="GET", session=self.session)

    def may_read_asset(self, asset_id: int) -> bool:
        """Tell whether the user may read an asset."""
        if asset_id not in self._assets:
            self._assets[asset_id] = self.auth_manager.is_authorized_asset(
                method="GET", details=AssetDetails(id=str(asset_id)), user=self.user
            )
        return self._assets[asset_id]

    def may_read_in_dag(self, dag_id: str, entity: DagAccessEntity) -> bool:
        """Tell whether the user may read what is part of a DAG, such as its XComs."""
        question = (dag_id, entity)
        if question not in self._entities:
            team = DagModel.get_team_name(dag_id, session=self.session)
            self._entities[question] = self.auth_manager.is_authorized_dag(
                method="GET",
                access_entity=entity,
                details=DagDetails(id=dag_id, team_name=team),
                user=self.user,
            )
        return self._entities[question]
