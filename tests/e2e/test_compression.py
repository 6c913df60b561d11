"""What leaves through the one port is compressed where that helps and hurts nobody."""

import gzip

import httpx
import pytest

POINTS = "/v1/regions/64.01/points"


async def raw(api: httpx.AsyncClient, path: str, encoding: str) -> tuple[httpx.Response, bytes]:
    """Ask, and give the body as it came."""
    async with api.stream("GET", path, headers={"accept-encoding": encoding}) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_a_long_answer_is_compressed_for_those_who_can_read_that(
    api: httpx.AsyncClient,
) -> None:
    plain, whole = await raw(api, f"{POINTS}?pageSize=200", "identity")
    packed, short = await raw(api, f"{POINTS}?pageSize=200", "gzip, br")
    assert plain.status_code == packed.status_code == 200
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert gzip.decompress(short) == whole
    assert len(short) < len(whole) / 5


async def test_a_table_is_compressed_too(api: httpx.AsyncClient) -> None:
    _, whole = await raw(api, f"{POINTS}:export?format=CSV", "identity")
    packed, short = await raw(api, f"{POINTS}:export?format=CSV", "gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(short) == whole


@pytest.mark.parametrize("path", [f"{POINTS}/KEC-64.01.01", f"{POINTS}/NO-SUCH"])
async def test_a_short_answer_is_left_as_it_is(api: httpx.AsyncClient, path: str) -> None:
    answer, _ = await raw(api, path, "gzip")
    assert "content-encoding" not in answer.headers


async def test_events_are_not_held_back_to_be_compressed(api: httpx.AsyncClient) -> None:
    headers = {"accept-encoding": "gzip"}
    path = "/v1/regions/64.01/statuses:watch"
    async with api.stream("GET", path, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert "content-encoding" not in answer.headers
        assert await anext(answer.aiter_raw())
