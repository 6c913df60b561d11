"""From a circuit in the inventory to a status that nobody reported: the prober asked."""

import httpx
from devstack.stack import Stack
from devstack.waiting import until
from probes.stamp_reflector import reflector

REGION = "regions/64.01"
DRAFT = {"displayName": "Titik", "kind": "SCHOOL", "village": f"{REGION}/villages/64.01.06.2012"}
ADDRESS = "127.64.77.7"


async def test_an_active_point_whose_circuit_has_an_address_is_probed(
    api: httpx.AsyncClient, stack: Stack
) -> None:
    point = str((await api.post(f"/v1/{REGION}/points", json=DRAFT)).json()["name"])
    assert (await api.post(f"/v1/{point}:activate")).status_code == 200
    provider = f"{REGION}/providers/probed"
    await api.post(
        f"/v1/{REGION}/providers", params={"providerId": "probed"}, json={"displayName": "Telkom"}
    )
    line = {"provider": provider, "technology": "FO", "monitoredAddress": ADDRESS}
    made = await api.post(f"/v1/{point}/circuits", params={"circuitId": "main"}, json=line)
    assert made.status_code == 200, made.text

    async def up() -> bool:
        answer = await api.get(f"/v1/{point}/status")
        return bool(answer.status_code == 200 and answer.json()["state"] == "UP")

    async with reflector(ADDRESS, stack.place.port("network")):
        assert await until(up, within_s=90)
    check = (await api.get(f"/v1/{point}/checks/main")).json()
    assert (check["kind"], check["circuit"]) == ("STAMP", f"{point}/circuits/main")
    assert (await api.get(f"/v1/{point}/checks")).json()["totalSize"] == 1
