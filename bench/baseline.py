"""The baseline: the same two reads in a bare FastAPI and asyncpg application, one process.

`python bench/baseline.py <postgres url> <port>`; it reads the table that the inventory writes.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException

COLUMNS = """
       region_code, point_id, display_name, kind, village_code, district_code, latitude, longitude,
       location_source, address, technology, state, tags, external_ids, provenance, source,
       warnings, contact_masked, version, create_time, update_time"""
ONE = f"SELECT {COLUMNS} FROM points WHERE region_code = $1 AND point_id = $2"  # noqa: S608
MANY = f"SELECT {COLUMNS} FROM points WHERE region_code = $1 ORDER BY point_id LIMIT $2"  # noqa: S608
COUNT = "SELECT count(*) FROM points WHERE region_code = $1"


def application(url: str) -> FastAPI:
    """Return the application over the database at `url`."""
    pools: list[asyncpg.Pool] = []

    @asynccontextmanager
    async def pooled(_: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, max_size=10) as pool:
            pools.append(pool)
            yield

    app = FastAPI(lifespan=pooled)

    @app.get("/regions/{region}/points/{point_id}")
    async def get_point(region: str, point_id: str) -> dict[str, Any]:
        row = await pools[0].fetchrow(ONE, region, point_id)
        if row is None:
            raise HTTPException(404)
        return _shown(row)

    @app.get("/regions/{region}/points")
    async def list_points(region: str, page_size: int = 50) -> dict[str, Any]:
        async with pools[0].acquire() as connection:
            rows = await connection.fetch(MANY, region, page_size)
            total = await connection.fetchval(COUNT, region)
        return {"points": [_shown(row) for row in rows], "totalSize": total}

    return app


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    shown = dict(row)
    for name in ("external_ids", "warnings"):
        shown[name] = json.loads(shown[name])
    return shown


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
