"""Many rows at once into a table under row-level security, which COPY alone refuses."""

from collections.abc import Iterable, Sequence

from common.postgres.database import Connection


async def insert_rows(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> None:
    """Insert the rows: COPY into a table of the transaction's own, and from there by the policies.

    `table` and `columns` are constants of the code. Call inside a transaction.
    """
    listed, incoming = ", ".join(columns), f"incoming_{table}"
    await connection.execute(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} ON COMMIT DROP"
        f" AS SELECT {listed} FROM {table} WITH NO DATA"
    )
    await connection.copy_records_to_table(incoming, records=rows, columns=columns)
    await connection.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {incoming}")
    await connection.execute(f"TRUNCATE {incoming}")
