from typing import Any

from inventory.testing import Inventory
from smartcity.inventory.v1 import region_pb2

REGION = "regions/64.01"


async def villages(inventory: Inventory, **filters: Any) -> region_pb2.ListVillagesResponse:
    request = region_pb2.ListVillagesRequest(parent=REGION, page_size=1000, **filters)
    return await inventory.stub.ListVillages(request)


async def test_east_kalimantan_has_ten_regions(inventory: Inventory) -> None:
    regions = await inventory.stub.ListRegions(region_pb2.ListRegionsRequest())
    assert regions.total_size == len(regions.regions) == 10


async def test_paser_has_ten_districts_and_144_villages(inventory: Inventory) -> None:
    districts = await inventory.stub.ListDistricts(region_pb2.ListDistrictsRequest(parent=REGION))
    assert districts.total_size == 10
    assert (await villages(inventory)).total_size == 144
    assert (await villages(inventory, district=f"{REGION}/districts/64.01.06")).total_size == 26


async def test_a_village_is_found_by_its_alias(inventory: Inventory) -> None:
    (found,) = (await villages(inventory, query="kladen")).villages
    assert (found.name, found.display_name) == (f"{REGION}/villages/64.01.02.2004", "Keladen")
    assert list(found.aliases) == ["Kladen"]


async def test_figures_carry_their_date_and_source(inventory: Inventory) -> None:
    paser = await inventory.stub.GetRegion(region_pb2.GetRegionRequest(name=REGION))
    assert (paser.population.value, paser.population.date.year) == (309667, 2024)
    assert "Dukcapil" in paser.population.source
    assert paser.area_km2.value == 10780.677
    assert "not the list of the contract" in paser.notice
    assert paser.representative_point.position.latitude < 0


async def test_villages_are_walked_page_by_page(inventory: Inventory) -> None:
    request = region_pb2.ListVillagesRequest(parent=REGION, page_size=50)
    names: list[str] = []
    while True:
        page = await inventory.stub.ListVillages(request)
        names += [village.name for village in page.villages]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(names) == len(set(names)) == 144
