"""Creating, changing and deleting notification routes. Answers hold their targets masked."""

from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import notification_route_pb2 as messages
from smartcity.monitoring.v1.notification_route_pb2 import NotificationRoute

from monitoring.operations.check_notification_route import RouteCheck
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import notification_routes
from monitoring.storage.sealed_routes import SealedRoutes, shown_route


async def create_notification_route(
    needs: Dependencies, request: messages.CreateNotificationRouteRequest
) -> NotificationRoute:
    """Create a notification route."""
    store = SealedRoutes(needs.keyring)

    async def act(connection: Connection) -> NotificationRoute:
        draft = request.notification_route
        route_id = request.notification_route_id or needs.new_id()
        draft.name = f"{request.parent}/notificationRoutes/{route_id}"
        check = RouteCheck(store, needs.networks)
        return shown_route(await MUTATIONS.create(connection, store, request, draft, check))

    region = region_of(request.parent)
    return await mutate(needs.database, request, region, NotificationRoute, act)


async def update_notification_route(
    needs: Dependencies, request: messages.UpdateNotificationRouteRequest
) -> NotificationRoute:
    """Change the masked fields of a notification route."""
    store = SealedRoutes(needs.keyring)

    async def act(connection: Connection) -> NotificationRoute:
        check, field = RouteCheck(store, needs.networks), "notification_route"
        return shown_route(await MUTATIONS.update(connection, store, request, field, check))

    region = region_of(request.notification_route.name)
    return await mutate(needs.database, request, region, NotificationRoute, act)


async def delete_notification_route(
    needs: Dependencies, request: messages.DeleteNotificationRouteRequest
) -> Empty:
    """Delete a notification route; what waits for it is suppressed when it is due."""

    async def act(connection: Connection) -> Empty:
        read = read_for_change(connection, notification_routes, request.name, request.etag)
        return await MUTATIONS.delete(connection, SealedRoutes(needs.keyring), request, await read)

    return await mutate(needs.database, request, region_of(request.name), Empty, act)
