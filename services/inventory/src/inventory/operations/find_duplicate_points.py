"""Finding points that may have been entered twice."""

import asyncio
from collections.abc import Sequence

from common.names import last_id
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import (
    DuplicatePair,
    FindDuplicatePointsRequest,
    FindDuplicatePointsResponse,
)

from inventory.domain.duplicates import Pair, Place, find_duplicates
from inventory.operations.dependencies import Dependencies
from inventory.storage import duplicates
from inventory.storage.regions import require_region

NEAR_M = 100.0
DEFAULT_PAIRS, MAX_PAIRS = 50, 1000


async def find_duplicate_points(
    needs: Dependencies, request: FindDuplicatePointsRequest
) -> FindDuplicatePointsResponse:
    """Return the pairs of a region that may be one, the likeliest first."""
    region = last_id(request.parent)
    near_m = request.distance_m or NEAR_M
    async with needs.database.snapshot() as connection:
        await require_region(connection, region)
        places = await duplicates.read_places(connection, region)
        found = await asyncio.to_thread(find_duplicates, places, near_m)
        pairs = _about(last_id(request.point), found, places)
        shown = pairs[: min(request.page_size or DEFAULT_PAIRS, MAX_PAIRS)]
        codes = {places[i].point_id for pair in shown for i in (pair.first, pair.second)}
        points = await duplicates.read_points(connection, region, sorted(codes))
    return FindDuplicatePointsResponse(
        pairs=[_message(pair, places, points) for pair in shown], total_size=len(pairs)
    )


def _about(code: str, pairs: Sequence[Pair], places: Sequence[Place]) -> Sequence[Pair]:
    if not code:
        return pairs
    return [p for p in pairs if code in (places[p.first].point_id, places[p.second].point_id)]


def _message(pair: Pair, places: Sequence[Place], points: dict[str, Point]) -> DuplicatePair:
    return DuplicatePair(
        first=points[places[pair.first].point_id],
        second=points[places[pair.second].point_id],
        reasons=pair.reasons,
        distance_m=None if pair.distance_m is None else round(pair.distance_m, 1),
        name_similarity=pair.name_similarity,
    )
