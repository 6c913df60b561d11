"""The methods for incidents."""

from common.errors import ResourceMissing
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from smartcity.monitoring.v1 import incident_pb2

from monitoring.operations.answer_incident import (
    acknowledge_incident,
    classify_incident,
    comment_incident,
    resolve_incident,
)
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import incidents
from monitoring.storage.statuses import parse_time


class IncidentMethods:
    """Answers about incidents."""

    needs: Dependencies

    async def GetIncident(
        self, request: incident_pb2.GetIncidentRequest, _: Context
    ) -> incident_pb2.Incident:
        """Return an incident."""
        async with self.needs.database.read() as connection:
            incident = await incidents.read(connection, request.name)
        if incident is None:
            raise ResourceMissing(request.name)
        return incidents.message_of(incident)

    async def ListIncidents(
        self, request: incident_pb2.ListIncidentsRequest, _: Context
    ) -> incident_pb2.ListIncidentsResponse:
        """List the incidents of a region."""
        page = Page(request, key=(parse_time, str))
        async with self.needs.database.read() as connection:
            listed = await incidents.list_page(connection, request, page)
        last = listed.items[-1] if listed.more else None
        return incident_pb2.ListIncidentsResponse(
            incidents=map(incidents.message_of, listed.items),
            next_page_token=page.token(last.start.isoformat(), last.incident_id) if last else "",
            total_size=listed.total,
        )

    async def ListIncidentEntries(
        self, request: incident_pb2.ListIncidentEntriesRequest, _: Context
    ) -> incident_pb2.ListIncidentEntriesResponse:
        """List what happened in an incident."""
        page = Page(request, key=(int,))
        async with self.needs.database.read() as connection:
            listed, last = await incidents.list_entries(connection, request.parent, page)
        if not listed.total:
            raise ResourceMissing(request.parent)
        return incident_pb2.ListIncidentEntriesResponse(
            incident_entries=listed.items,
            next_page_token=page.token(str(last)) if listed.more else "",
            total_size=listed.total,
        )

    async def AcknowledgeIncident(
        self, request: incident_pb2.AcknowledgeIncidentRequest, _: Context
    ) -> incident_pb2.Incident:
        """Note who looks after an incident."""
        return await acknowledge_incident(self.needs, request)

    async def CommentIncident(
        self, request: incident_pb2.CommentIncidentRequest, _: Context
    ) -> incident_pb2.IncidentEntry:
        """Add a comment."""
        return await comment_incident(self.needs, request)

    async def ClassifyIncident(
        self, request: incident_pb2.ClassifyIncidentRequest, _: Context
    ) -> incident_pb2.Incident:
        """Note the cause and who answers for it."""
        return await classify_incident(self.needs, request)

    async def ResolveIncident(
        self, request: incident_pb2.ResolveIncidentRequest, _: Context
    ) -> incident_pb2.Incident:
        """End an incident by hand."""
        return await resolve_incident(self.needs, request)
