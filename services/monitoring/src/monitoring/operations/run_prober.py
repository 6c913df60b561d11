"""The prober: asks what is due in the partitions that it holds, and reports what it saw.

Several probers share the partitions by leases in the database. One that cannot reach the database
goes on with what it held: nobody can know then whether another has taken over, and what two of them
ask at the same moments is stored once.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
from common.errors import ServiceError
from common.telemetry.logs import logger
from probes.probe import probe
from probes.target import Kind, Target

from monitoring.domain.check import ScheduledCheck
from monitoring.domain.schedule import Agenda, Due
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.own_connectivity import Connectivity
from monitoring.operations.prober_metrics import (
    DONE,
    IN_FLIGHT,
    LATENESS,
    LEASES,
    SCHEDULED,
    SKIPPED,
)
from monitoring.operations.report_outcomes import Reports, Seen
from monitoring.operations.seen_certificates import SeenCertificates
from monitoring.storage import probing
from monitoring.storage.probing import Lease

LEASE = timedelta(seconds=5)
KEEP_EVERY_S = 1.5
READ_EVERY_S = 60.0
"""Days of service begin and end without anybody telling."""
READ_GAP_S = 0.5
CHANNEL = "checks"
STAMP_PORT = 862
SURVIVED = (ServiceError, asyncpg.PostgresError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class ProberOptions:
    """What an installation decides."""

    anchors: tuple[Target, ...] = ()
    """Addresses of which some answers while the prober itself is online."""
    stamp_port: int = STAMP_PORT
    """Where STAMP checks ask that name no port."""


async def run_prober(needs: Dependencies, options: ProberOptions) -> None:
    """Probe until cancelled."""
    prober = _Prober(needs, options)
    async with needs.database.listening(CHANNEL, prober.changed):
        try:
            await asyncio.gather(
                prober.keep_leases(),
                prober.keep_agenda(),
                prober.ask(),
                prober.reports.judge(),
                prober.reports.send(),
                prober.connectivity.watch(),
            )
        finally:
            await prober.leave()


class _Prober:
    def __init__(self, needs: Dependencies, options: ProberOptions) -> None:
        self.changed = asyncio.Event()
        self.connectivity = Connectivity(options.anchors)
        self.reports = Reports(needs, self.connectivity)
        self._certificates = SeenCertificates()
        self._needs = needs
        self._options = options
        self._prober_id: UUID = uuid4()
        self._leases: frozenset[Lease] = frozenset()
        self._agenda = Agenda[ScheduledCheck]()
        self._new_agenda = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep_leases(self) -> None:
        """Hold a fair share of the partitions."""
        while True:
            try:
                await self._hold()
            except SURVIVED as error:
                logger().warning("leases not renewed; probing goes on", error=repr(error))
            await asyncio.sleep(KEEP_EVERY_S)

    async def _hold(self) -> None:
        async with self._needs.database.transaction() as connection:
            held = await probing.hold_leases(connection, self._prober_id, LEASE)
        if held != self._leases:
            logger().info("partitions", held=len(held), before=len(self._leases))
            self._leases = held
            self.changed.set()
        LEASES.set(len(held))

    async def keep_agenda(self) -> None:
        """Read the checks whenever some, their points or the leases changed, and each minute."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_EVERY_S):
                    await self.changed.wait()
            self.changed.clear()
            try:
                await self._read()
            except SURVIVED as error:
                logger().warning("checks not read", error=repr(error))
                self.changed.set()
            await asyncio.sleep(READ_GAP_S)

    async def _read(self) -> None:
        async with self._needs.database.transaction() as connection:
            await probing.add_leases(connection)
            read = await probing.read_checks(connection, self._leases, self._needs.clock())
        self._agenda.replace(map(self._with_port, read), self._now_ms())
        self._new_agenda.set()
        SCHEDULED.set(len(read))
        self._certificates.keep(read)

    def _with_port(self, check: ScheduledCheck) -> ScheduledCheck:
        target = check.target
        if target.kind is not Kind.STAMP or target.port:
            return check
        return replace(check, target=replace(target, port=self._options.stamp_port))

    async def ask(self) -> None:
        """Begin each check at its moment."""
        while True:
            self._new_agenda.clear()
            skipped = self._agenda.skipped
            for due in self._agenda.begin(self._now_ms()):
                task = asyncio.create_task(self._one(due))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            SKIPPED.inc(self._agenda.skipped - skipped)
            next_ms = self._agenda.next_ms
            wait_s = None if next_ms is None else (next_ms - self._now_ms()) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._new_agenda.wait()

    async def _one(self, due: Due[ScheduledCheck]) -> None:
        begin = time.monotonic()
        LATENESS.observe(max(self._now_ms() - due.moment_ms, 0) / 1000)
        kind = due.item.target.kind
        try:
            with IN_FLIGHT.track_inprogress():
                outcome = await probe(due.item.target)
        except Exception as error:  # noqa: BLE001 - a defect in one kind must stop no other
            logger().error("check failed", check=due.item.name, error=repr(error))
            return
        finally:
            self._agenda.end(due)
        if outcome.measured:
            DONE.labels(kind, "silent" if outcome.silent else "answered").inc()
            self._certificates.note(due.item, outcome.certificate_expiry)
            self.reports.take(Seen(due, outcome, begin))
        else:
            DONE.labels(kind, "unmeasured").inc()
            logger().warning("not measured", check=due.item.name, error=outcome.error)

    async def leave(self) -> None:
        """End what is under way, and let others take over at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(*SURVIVED):
            async with self._needs.database.transaction() as connection:
                await probing.leave(connection, self._prober_id)

    def _now_ms(self) -> int:
        return int(self._needs.clock().timestamp() * 1000)
