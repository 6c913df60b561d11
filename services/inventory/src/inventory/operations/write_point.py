"""Creating, changing and deleting points, and moving them through their states."""

from functools import partial

from common.errors import Kind, ServiceError
from common.masks import mask_paths
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point

from inventory.domain.point_states import next_state
from inventory.operations.dependencies import Dependencies
from inventory.operations.point_checks import PointCheck, trim
from inventory.operations.publish import MUTATIONS
from inventory.storage import points
from inventory.storage.sealed_points import SealedPoints, masked

Verb = (
    point_pb2.ActivatePointRequest
    | point_pb2.SuspendPointRequest
    | point_pb2.ResumePointRequest
    | point_pb2.RetirePointRequest
)


class PointWasInService(ServiceError):
    """A point that was in service is part of the history; it is retired, not deleted."""

    kind = Kind.WRONG_STATE
    reason = "POINT_WAS_IN_SERVICE"


async def create_point(needs: Dependencies, request: point_pb2.CreatePointRequest) -> Point:
    """Create a point in state PLANNED."""

    async def act(connection: Connection) -> Point:
        draft = request.point
        draft.name = f"{request.parent}/points/{request.point_id or needs.new_id()}"
        draft.state = Point.PLANNED
        check = PointCheck(needs.boundaries, district_given=True)
        store = SealedPoints(needs.keyring)
        return _shown(await MUTATIONS.create(connection, store, request, draft, check))

    trim(request.point)
    region = region_of(request.parent)
    return await mutate(needs.database, request, region, Point, act)


async def update_point(needs: Dependencies, request: point_pb2.UpdatePointRequest) -> Point:
    """Change the masked fields of a point."""
    paths = mask_paths(request.point, request.update_mask)

    async def act(connection: Connection) -> Point:
        check = PointCheck(needs.boundaries, district_given="district" in paths)
        store = SealedPoints(needs.keyring)
        return _shown(await MUTATIONS.update(connection, store, request, "point", check))

    trim(request.point)
    region = region_of(request.point.name)
    return await mutate(needs.database, request, region, Point, act)


async def delete_point(needs: Dependencies, request: point_pb2.DeletePointRequest) -> Empty:
    """Delete a point that was never in service."""

    async def act(connection: Connection) -> Empty:
        before = await read_for_change(connection, points, request.name, request.etag)
        if before.state != Point.PLANNED:
            state = Point.State.Name(before.state)
            sentence = f"{request.name} is {state}; only a PLANNED point is deleted"
            if before.state != Point.RETIRED:
                sentence += ", this one is retired instead"
            raise PointWasInService(sentence, state=state)
        return await MUTATIONS.delete(connection, points, request, before)

    region = region_of(request.name)
    return await mutate(needs.database, request, region, Empty, act)


async def change_point_state(needs: Dependencies, request: Verb, verb: str) -> Point:
    """Activate, suspend, resume or retire a point.

    Raises:
        PointStateWrong: The verb does not fit the state that the point is in.
    """
    act = partial(_change_state, request, verb)
    region = region_of(request.name)
    return await mutate(needs.database, request, region, Point, act)


async def _change_state(request: Verb, verb: str, connection: Connection) -> Point:
    before = await read_for_change(connection, points, request.name, request.etag)
    after = Point()
    after.CopyFrom(before)
    after.state = Point.State.Value(next_state(verb, Point.State.Name(before.state)))
    stored = await points.update(connection, after)
    await MUTATIONS.publish(connection, request, verb, before=before, after=stored)
    return stored


def _shown(point: Point) -> Point:
    """Return the point as callers see it: its contact masked."""
    if point.HasField("contact"):
        point.contact.CopyFrom(masked(point.contact))
    return point
