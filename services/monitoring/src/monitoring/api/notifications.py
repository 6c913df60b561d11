"""The methods for notification routes and deliveries."""

from uuid import UUID

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import delivery_pb2
from smartcity.monitoring.v1 import notification_route_pb2 as messages
from smartcity.monitoring.v1.notification_route_pb2 import NotificationRoute

from monitoring.operations import write_notification_route as writing
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.try_notification_route import try_notification_route
from monitoring.storage import deliveries, notification_routes


class NotificationMethods:
    """Answers about who is told, and what was told."""

    needs: Dependencies

    async def GetNotificationRoute(
        self, request: messages.GetNotificationRouteRequest, _: Context
    ) -> NotificationRoute:
        """Return a notification route."""
        async with self.needs.database.read() as connection:
            route = await notification_routes.read(connection, request.name)
        if route is None:
            raise ResourceMissing(request.name)
        return route

    async def ListNotificationRoutes(
        self, request: messages.ListNotificationRoutesRequest, _: Context
    ) -> messages.ListNotificationRoutesResponse:
        """List notification routes."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await notification_routes.list_page(connection, request, page)
        return messages.ListNotificationRoutesResponse(
            notification_routes=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateNotificationRoute(
        self, request: messages.CreateNotificationRouteRequest, _: Context
    ) -> NotificationRoute:
        """Create a notification route."""
        return await writing.create_notification_route(self.needs, request)

    async def UpdateNotificationRoute(
        self, request: messages.UpdateNotificationRouteRequest, _: Context
    ) -> NotificationRoute:
        """Change fields of a notification route."""
        return await writing.update_notification_route(self.needs, request)

    async def DeleteNotificationRoute(
        self, request: messages.DeleteNotificationRouteRequest, _: Context
    ) -> Empty:
        """Delete a notification route."""
        return await writing.delete_notification_route(self.needs, request)

    async def TestNotificationRoute(
        self, request: messages.TestNotificationRouteRequest, _: Context
    ) -> messages.TestNotificationRouteResponse:
        """Send a test message to every target of a route."""
        return await try_notification_route(self.needs, request)

    async def ListDeliveries(
        self, request: delivery_pb2.ListDeliveriesRequest, _: Context
    ) -> delivery_pb2.ListDeliveriesResponse:
        """List deliveries."""
        page = Page(request, key=(UUID,))
        async with self.needs.database.read() as connection:
            listed = await deliveries.list_page(connection, request, page)
        return delivery_pb2.ListDeliveriesResponse(
            deliveries=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )
