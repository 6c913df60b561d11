"""The platform: servers first, then each service after its preparations; stopped in reverse."""

import asyncio
import json
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from devstack.default_route import create_default_route
from devstack.issuer.settings import refuse_production
from devstack.keys import make_contact_keys
from devstack.nats import EmbeddedNats
from devstack.output import Output
from devstack.ports import free_ports, require_free
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.process import Child, ProcessSpec, child_environment, run_to_end
from devstack.services import (
    Builder,
    Place,
    Service,
    gateway,
    issuer,
    needed,
    network,
    replicas,
    sink,
)
from devstack.settings import StackSettings
from devstack.state import StateFolder, held
from devstack.tokens import fetch_token
from devstack.waiting import always, first_of

MIGRATE_WITHIN_S = 120
READY_WITHIN_S = 60


class _Server(Protocol):
    """PostgreSQL or NATS."""

    @property
    def child(self) -> Child: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Stack:
    """The running platform, between `async with` and its end."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats
    place: Place

    def __init__(
        self,
        settings: StackSettings,
        output: Output | None = None,
        services: tuple[Builder, ...] | None = None,
    ) -> None:
        self.settings = settings
        self.state = StateFolder(settings.state_folder.absolute())
        self.children: dict[str, Child] = {}
        self._output = output or Output(self.state.logs)
        self._services = needed(settings) if services is None else services
        self._exits = AsyncExitStack()
        self._lock = -1
        self._hurried = False

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://{self.place.public_address}"

    async def __aenter__(self) -> Self:
        """Start everything.

        Raises:
            StackError: Something cannot start; what had started is stopped again.
        """
        try:
            await self._start()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exits.aclose()

    async def token(self, *grants: str) -> str:
        """Return a token of the local issuer with these grants, such as `64.01/operator`.

        Raises:
            TokenRefused: One is no grant.
        """
        return await fetch_token(self.place.issuer, self.state.secrets, grants)

    async def until_given_up(self) -> str:
        """Wait until a process died too often; return its name."""
        while True:
            for name, child in self.children.items():
                if child.given_up.is_set():
                    return name
            await first_of(*(child.given_up.wait() for child in self.children.values()))

    def hurry(self) -> None:
        """Make the stop, under way or yet to come, faster and harsher."""
        self._hurried = True
        for child in self.children.values():
            child.hurry()

    async def _start(self) -> None:
        self._lock = await self._exits.enter_async_context(held(self.state))
        self.state.ready.unlink(missing_ok=True)  # of a stack that was killed
        port = self.settings.port or free_ports(1)[0]
        require_free(self.settings.host, port, "choose another one with PORT=... (0: a free one)")
        self._build(port)
        if issuer in self._services:
            refuse_production(os.environ)
        is_new = not self.state.postgres.exists()
        if is_new:
            make_contact_keys(self.state.secrets)
        await self._start_servers()
        for build in self._services:
            service = build(self.place)
            await self._prepare(service)
            await self._start_service(service)
            for replica in replicas(service, self.place):
                await self._start_service(replica)
        if is_new:
            await self._seed()
        self._mark_ready()

    async def _seed(self) -> None:
        """Have the sink told of incidents, unless somebody else's issuer gives the tokens."""
        may = self.settings.identity == "off" or issuer in self._services
        if may and {sink, gateway} <= {*self._services}:
            await create_default_route(self.place)

    def _build(self, port: int) -> None:
        keep = (self._lock,)
        options = PostgresOptions(durable=self.settings.durable, keep=keep)
        self.postgres = EmbeddedPostgres(self.state.postgres, options, self._output)
        self.place = Place(self.settings, self.state, self.postgres, port)
        if self.settings.port:
            self.place.prefer("issuer", self.settings.port + 1)
        ports = (self.place.port("nats"), self.place.port("nats-monitor"))
        self.nats = EmbeddedNats(self.state.nats, ports, self._output, keep)
        for name, fixed in self.settings.ports.items():
            require_free("127.0.0.1", fixed, f"it was asked for as {name} in SMARTCITY_STACK_PORTS")

    async def _start_servers(self) -> None:
        started = (
            self._start_server("postgres", self.postgres),
            self._start_server("nats", self.nats),
        )
        # Not a task group: it would wrap the one error that the person needs to read.
        for outcome in await asyncio.gather(*started, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _start_server(self, name: str, server: _Server) -> None:
        await server.start()
        self._exits.push_async_callback(server.stop)
        self._adopt(name, server.child)

    async def _prepare(self, service: Service) -> None:
        if service.database:
            await self.postgres.create(service.name)
            await self._run(service, "migrate", within_s=MIGRATE_WITHIN_S)
        if service.load:
            await self._run(service, "load", *service.load, within_s=self.settings.load_within_s)

    async def _run(self, service: Service, *command: str, within_s: float) -> None:
        spec = self._spec(service, *command)
        owned = child_environment(service.env, service.owner_env)
        sink = self._output.sink(spec.name)
        await run_to_end(replace(spec, env=owned, ready=always, ready_within_s=within_s), sink)

    async def _start_service(self, service: Service) -> None:
        spec = self._spec(service)
        child = Child(spec, self._output.sink(spec.name))
        await child.start()
        self._exits.push_async_callback(child.stop)
        self._adopt(service.process, child)

    def _spec(self, service: Service, *command: str) -> ProcessSpec:
        return ProcessSpec(
            name="-".join((service.process, *command[:1])),
            command=service.command(*command),
            env=child_environment(service.env),
            ready=service.ready,
            ready_within_s=READY_WITHIN_S,
            keep=(self._lock,),
        )

    def _adopt(self, name: str, child: Child) -> None:
        self.children[name] = child
        if self._hurried:
            child.hurry()

    def _issuer(self) -> str:
        """Return what `make token` needs to know: the local issuer's URL, or why there is none."""
        if issuer in self._services:
            return self.place.issuer
        elsewhere = self.settings.oidc_issuer
        return f"tokens come from {elsewhere}" if elsewhere else "identity is off: none is needed"

    def _outboxes(self) -> dict[str, str]:
        """Return the address of each database whose events wait in an outbox."""
        services = [build(self.place) for build in self._services]
        names = [service.name for service in services if service.database]
        return {name: self.postgres.url(name, name) for name in names}

    def _mark_ready(self) -> None:
        settings = {
            "SMARTCITY_NATS_URL": self.nats.url,
            "SMARTCITY_OUTBOXES": json.dumps(self._outboxes()),
        }
        if network in self._services:
            settings["SMARTCITY_NETWORK_REGION"] = self.settings.region
        self.state.addresses.write_text(json.dumps(settings))
        self.state.issuer.write_text(self._issuer())
        self.state.ready.write_text(self.url)
        self._exits.callback(self.state.ready.unlink, missing_ok=True)
