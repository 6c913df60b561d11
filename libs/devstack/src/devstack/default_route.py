"""The notification route of a new stack: incidents of its region are shown by the local sink."""

from http import HTTPStatus

import httpx

from devstack.errors import SeedRefused
from devstack.services import Place
from devstack.tokens import fetch_token

ROUTE = "local-sink"


async def create_default_route(place: Place) -> None:
    """Create the route through the API, as an operator does; one that is there stays as it is.

    Raises:
        SeedRefused: The API says why.
        TokenRefused: The stack's issuer gives no token.
    """
    region = place.settings.region
    headers = {}
    if place.settings.identity == "required":
        grants = [f"{region}/operator"]
        token = await fetch_token(place.issuer, place.state.secrets, grants)
        headers = {"authorization": f"Bearer {token}"}
    draft = {
        "displayName": "Penampung lokal",
        "targets": [{"url": f"json://{place.address('sink')}/"}],
        "groupWaitS": 5,
        "repeatIntervalS": 900,
    }
    url = f"http://{place.public_address}/v1/regions/{region}/notificationRoutes"
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        answer = await client.post(url, params={"notificationRouteId": ROUTE}, json=draft)
    if answer.status_code not in (HTTPStatus.OK, HTTPStatus.CONFLICT):
        raise SeedRefused(f"the route {ROUTE} was not created: {answer.text}")
