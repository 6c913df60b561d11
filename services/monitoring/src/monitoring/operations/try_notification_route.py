"""The test button: a message to every target of a route, now, and what each made of it."""

from common.errors import ResourceMissing
from common.names import last_id
from smartcity.monitoring.v1 import notification_route_pb2 as messages

from monitoring.domain.wording import trial_message
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.send_notifications import send_to
from monitoring.storage.sealed_routes import SealedRoutes, shown_route

Result = messages.TestNotificationRouteResponse.Result


async def try_notification_route(
    needs: Dependencies, request: messages.TestNotificationRouteRequest
) -> messages.TestNotificationRouteResponse:
    """Send a test message to every target and tell what happened.

    Raises:
        ResourceMissing: There is no such route.
        KeyMissing: Its targets cannot be opened.
    """
    async with needs.database.read() as connection:
        route = await SealedRoutes(needs.keyring).read(connection, request.name)
    if route is None:
        raise ResourceMissing(request.name)
    text = trial_message(last_id(route.name), route.language_code)
    targets = {target.target_id: target.url for target in route.targets}
    outcomes = await send_to(needs, targets, text, needs.new_id())
    results = [
        Result(
            target=target,
            delivered=outcomes[target.target_id].is_delivered,
            error=outcomes[target.target_id].sentence,
        )
        for target in shown_route(route).targets
    ]
    return messages.TestNotificationRouteResponse(results=results)
