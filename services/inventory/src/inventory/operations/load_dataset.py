"""Loading a data set: the reference data, and its points by the same import as everybody's."""

from collections.abc import Mapping

from common.events.outbox import append
from common.postgres.database import Connection
from google.api.httpbody_pb2 import HttpBody
from smartcity.inventory.v1.point_transfer_pb2 import UPSERT, ImportPointsRequest

from inventory.domain.dataset import Dataset
from inventory.operations.dependencies import Dependencies
from inventory.operations.import_points import import_points
from inventory.operations.publish import event_about
from inventory.storage import reference, regions
from inventory.storage.imports import wait_for_others


async def load_dataset(
    needs: Dependencies, dataset: Dataset, *, first_only: bool = False, with_points: bool = True
) -> str:
    """Load everything and return a sentence on what was done; may be repeated.

    With `first_only` the points are left alone when a data set's points ever came into the
    region: people may have changed or deleted them since.

    Raises:
        ServiceError: The points cannot be imported; the reference data stays loaded.
    """
    async with needs.database.transaction() as connection:
        for region in sorted({division.code[:5] for division in dataset.divisions}):
            await wait_for_others(connection, region)
        known = await reference.district_names(connection)
        await reference.write(connection, dataset)
        await _tell_districts(connection, dataset, known)
        loaded = await reference.points_were_loaded(connection, dataset.region)
    done = f"{len(dataset.divisions)} divisions, {len(dataset.polygons)} polygons"
    if not with_points or not dataset.points or (first_only and loaded):
        return f"{done}; points left as they are"
    file = HttpBody(content_type="text/csv", data=dataset.points)
    parent = f"regions/{dataset.region}"
    report = await import_points(needs, ImportPointsRequest(parent=parent, file=file, mode=UPSERT))
    async with needs.database.transaction() as connection:
        await reference.note_points_loaded(connection, dataset.region)
    counts = f"{report.created_count} created, {report.updated_count} updated"
    return f"{done}; {report.row_count} points: {counts}, {report.unchanged_count} unchanged"


async def _tell_districts(
    connection: Connection, dataset: Dataset, known: Mapping[str, str]
) -> None:
    """Tell the districts that are new or bear another name than they had."""
    events = []
    for division in dataset.divisions:
        if division.level == "district" and known.get(division.code) != division.display_name:
            region = division.code[:5]
            district = await regions.read_district(connection, region, division.code)
            event = event_about("update", None, district, ("displayName",))
            events += [event] if event else []
    await append(connection, events)
