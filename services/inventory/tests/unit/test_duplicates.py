from inventory.domain.duplicates import NEAR, SAME_NPSN, SIMILAR_NAME, Place, find_duplicates

HERE = (-1.9, 116.2)
NORTH_80_M = (-1.89928, 116.2)
NORTH_150_M = (-1.89865, 116.2)


def place(
    point_id: str,
    name: str,
    *,
    village: str = "64.01.04.2001",
    position: tuple[float, float] | None = None,
    npsn: str = "",
) -> Place:
    return Place(point_id, name, village, position, npsn)


def reasons(*places: Place) -> list[list[str]]:
    return [pair.reasons for pair in find_duplicates(places, 100.0)]


def test_places_under_a_hundred_metres_are_near() -> None:
    assert reasons(
        place("A", "Pasar", position=HERE), place("B", "Kantor", position=NORTH_80_M)
    ) == [[NEAR]]


def test_places_beyond_a_hundred_metres_are_not_near() -> None:
    a, b = place("A", "Pasar", position=HERE), place("B", "Kantor", position=NORTH_150_M)
    assert reasons(a, b) == []


def test_one_name_written_differently_in_a_village_is_similar() -> None:
    a, b = place("A", "SDN 005 Tanah Grogot"), place("B", "Tanah Grogot SDN-5")
    assert reasons(a, b) == [[SIMILAR_NAME]]


def test_schools_with_other_numbers_are_not_similar() -> None:
    assert reasons(place("A", "SD NEGERI 001 KUARO"), place("B", "SD NEGERI 002 KUARO")) == []


def test_one_name_in_two_villages_is_not_similar() -> None:
    a, b = place("A", "Kantor Desa"), place("B", "Kantor Desa", village="64.01.04.2002")
    assert reasons(a, b) == []


def test_one_npsn_is_found_across_villages() -> None:
    a = place("A", "SMP 1", npsn="30400146")
    b = place("B", "Sekolah lain", village="64.01.05.2001", npsn="30400146")
    assert reasons(a, b) == [[SAME_NPSN]]


def test_the_pair_with_more_reasons_comes_first() -> None:
    pairs = find_duplicates(
        [
            place("A", "Pasar Kuaro", position=HERE),
            place("B", "Balai Desa", position=NORTH_80_M),
            place("C", "Pasar Kuaro", position=HERE, npsn=""),
        ],
        100.0,
    )
    assert (pairs[0].first, pairs[0].second) == (0, 2)
    assert pairs[0].reasons == [NEAR, SIMILAR_NAME]
    assert pairs[0].distance_m == 0
