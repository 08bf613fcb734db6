"""``running_app(project)``: the only place where parts meet."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fastapi import FastAPI

from app import __version__
from app.access.keys import KeyWish, NewKey, create_key
from app.admit import admission_for
from app.api.asgi import create_api
from app.api.transport import Limits
from app.catalog.approvals import (
    Owners,
    unowned_waivers,
    unsigned_waivers,
)
from app.catalog.read import read_catalog, read_deployment
from app.catalog.reload import Reloader
from app.catalog.ssh_signature import public_key
from app.compose.check import prompt_variables
from app.domain.catalog import Catalog, Route, Target
from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.errors import ContentError, LedgerError, Problem, RequestError
from app.domain.policy import Approval, Stage
from app.domain.protocols import Backend, PseudonymScope
from app.evals.budget import check_budgets
from app.evals.cases import cases_of
from app.evals.run import run_cases
from app.guardrails.evaluate import History
from app.guardrails.installed import installed_kinds
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds, compile_policy
from app.guardrails.pseudonyms import Minter
from app.guardrails.surrogates import SURROGATES
from app.ledger.keys import KeyStore
from app.ledger.ledger import Ledger
from app.ledger.pseudonyms import Vault
from app.ledger.store import exists
from app.outgoing import (
    open_reach,
    refuse_stopped_backends,
    start_backends,
    unmet_needs,
    used_backends,
)
from app.pages import ConsoleParts, add_console
from app.pipeline.check import check_segments
from app.pipeline.gates import GATE_METRICS
from app.pipeline.gateway import CheckResult
from app.pipeline.loaded import Loaded
from app.pipeline.numbers import Numbers
from app.pipeline.serve import serve
from app.pipeline.service import Pipeline
from app.pipeline.steps import Steps
from app.review.explain import Explanation, explain
from app.settings import Settings, environment, settings_from
from app.telemetry.metrics import Metrics
from app.upkeep import purge, readiness, watch_metrics
from app.variants import start_variants

if TYPE_CHECKING:  # planning is no part of a start
    from app.review.runs import Made, PlanWish, Say

T = TypeVar("T")


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


def new_id() -> str:
    """Milliseconds and 80 random bits: unique, sortable by time."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder of content with the settings of this deployment."""

    root: Path
    settings: Settings
    only_backend: str | None = None
    """Every route goes there, whatever it says; for demonstrations."""
    builds: Builds = field(default_factory=lambda: Builds(KINDS))
    """Kinds of detectors, and those that were built, so that a reload builds only what changed."""

    def read(self) -> Catalog:
        """The files as they are now.

        Raises:
            ContentError: Every problem of every file.
        """
        return read_catalog(
            self.root,
            detectors=self.builds.kinds.values(),
            inspect_prompt=prompt_variables,
            validate=self.builds.detector,
            surrogates=SURROGATES,
            gate_metrics=GATE_METRICS,
        )

    def compile(self, catalog: Catalog) -> Loaded:
        """All that requests need of a catalog, made once.

        Raises:
            ContentError: What only shows when it is put together.
        """
        plans = {
            name: compile_policy(policy, self.builds.kinds, self.builds)
            for name, policy in catalog.policies.items()
        }
        if unmet := [*unmet_needs(catalog, self.settings, self.builds.kinds)]:
            raise ContentError(unmet)
        routes = {
            name: route if self.only_backend is None else _only(self.only_backend, route)
            for name, route in catalog.routes.items()
        }
        return serve(catalog, plans, routes, self.builds)

    def unapproved(
        self,
        catalog: Catalog,
        today: date,
        owners: Callable[[], Owners] | None,
        *,
        since: Catalog | None = None,
    ) -> list[Problem]:
        """Waivers of which it cannot be verified who approved them.

        Args:
            catalog: Holds the waivers.
            today: Waivers that have expired need nobody any more.
            owners: Who owns the project's files; none outside its repository, where nobody can
                tell.
            since: Waivers that stand there already need nobody again.
        """
        wanted = self.settings.waivers
        match wanted.approval:
            case Approval.NAMED:
                return []
            case Approval.CODEOWNERS:
                if owners is None:
                    return []
                return list(unowned_waivers(catalog, owners, today, since=since))
            case Approval.SIGNATURE:
                return list(unsigned_waivers(catalog, wanted.approvers, today, since=since))

    def load(self) -> Loaded:
        """Read and compile."""
        return self.compile(self.read())

    def load_at(self, folder: Path) -> Loaded:
        """Read and compile another folder's content with these settings, as ``load`` does."""
        return replace(self, root=folder, builds=self.builds.copy()).load()


def _only(backend: str, route: Route) -> Route:
    """A route that leads to one backend and nowhere else."""
    return Route(route.id, (Target(backend, route.targets[0].model),))


def find_root(given: Path | None) -> Path:
    """The project's folder: the one given, the current one, or the shipped content."""
    if given is not None:
        return given
    here = Path.cwd()
    if (here / "banneton.yaml").exists():
        return here
    return shipped_root()


def shipped_root() -> Path:
    """The folder of the shipped content: in the package, or around it in a checkout."""
    packaged = Path(__file__).parent / "content"
    return packaged if packaged.exists() else Path(__file__).parent.parent


def load_project(
    root: Path | None, *, only_backend: str | None = None, reads_secrets: bool = True
) -> Project:
    """Read ``banneton.yaml`` of a project.

    Args:
        root: The project's folder; none looks for it.
        only_backend: Every route goes there.
        reads_secrets: Whether references to secrets are followed; else something of their kind
            stands there, and nothing outside can be asked.

    Raises:
        ContentError: It is wrong.
    """
    found = find_root(root).resolve()
    environ = environment() if reads_secrets else None
    settings = settings_from(read_deployment(found), environ, found, check_key=public_key)
    kinds = {**KINDS, **installed_kinds(settings.detectors)}
    return Project(found, settings, only_backend, Builds(kinds))


@asynccontextmanager
async def running_app(
    project: Project,
    *,
    host: str,
    clock: Clock | None = None,
    plan: "Callable[[Project, PlanWish, Say], Made] | None" = None,
) -> AsyncIterator[FastAPI]:
    """The app with everything behind it started; stops it all at the end.

    Args:
        project: What to serve.
        host: Where it will listen; without keys it must be a loopback address.
        clock: Says what time it is; without one, this machine's.
        plan: Makes the plans that the console shows; without it, it shows none.

    Raises:
        ContentError: The files are wrong.
        BannetonError: Something did not start, or may not be served so.
    """
    metrics = Metrics()
    clock = clock or SystemClock()
    backends: dict[str, Backend] = {}
    settings, kinds = project.settings, project.builds.kinds

    def compile_catalog(catalog: Catalog) -> Loaded:
        if problems := project.unapproved(catalog, clock.now().date(), None):
            raise ContentError(problems)
        loaded = project.compile(catalog)
        refuse_stopped_backends(loaded, kinds, backends)
        metrics.catalog_loaded(catalog.digest, clock.now())
        return loaded

    reloader = Reloader(project.root, project.read, compile_catalog)
    async with AsyncExitStack() as stack:
        ledger = await open_ledger(project)
        stack.push_async_callback(ledger.stop)
        admission = await admission_for(
            settings.access, KeyStore(ledger.store), clock, host=host, stack=stack
        )
        names = used_backends(reloader.revision.compiled, kinds)
        backends.update(await start_backends(settings, project.root, names, new_id, stack))
        reach = await open_reach(settings, backends, clock, new_id, stack)
        variants = await start_variants(
            settings, ledger, lambda: reloader.revision.compiled, metrics, clock
        )
        steps = Steps(
            backends=backends,
            ledger=ledger,
            vault=Vault(ledger.store, days=project.settings.storage.pseudonym_days),
            metrics=metrics,
            clock=clock,
            new_id=new_id,
            outside=reach.asking,
            pseudonym_key=ledger.store.keyring.pseudonym_key,
            history=History(secrets.token_bytes(32)),
            max_messages=settings.limits.max_messages,
            max_text_chars=settings.limits.max_text_chars,
            shares=variants.rollouts.shares,
            shadows=variants.shadows,
        )
        pipeline = Pipeline(
            steps,
            loaded=lambda: reloader.revision.compiled,
            readiness=partial(readiness, reloader),
            ledger=ledger,
            admission=admission,
            numbers=Numbers(
                metrics,
                ledger,
                settings.model_prices,
                clock,
                is_shown=settings.telemetry.metrics,
            ),
        )
        limits = Limits(max_body_bytes=settings.limits.max_body_bytes)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(reloader.watch(stop))
            group.create_task(variants.run(stop))
            group.create_task(purge(ledger, stop))
            group.create_task(watch_metrics(settings, ledger, metrics, clock, stop))
            try:
                app = create_api(
                    pipeline, clock=clock, new_id=new_id, limits=limits, version=__version__
                )
                add_console(
                    app,
                    ConsoleParts(
                        gateway=pipeline,
                        admission=admission,
                        ledger=ledger,
                        settings=settings,
                        loaded=lambda: reloader.revision.compiled,
                        load_at=project.load_at,
                        plan=plan and partial(plan, project),
                        is_stopping=stop.is_set,
                        root=project.root,
                        builds=project.builds,
                        clock=clock,
                        new_id=new_id,
                    ),
                )
                yield app
            finally:
                stop.set()


async def open_ledger(project: Project, *, may_create: bool = True) -> Ledger:
    """Start the ledger of a project; whoever asks stops it.

    Raises:
        LedgerError: It cannot be opened, or there is none and none may be made.
    """
    storage = project.settings.storage
    if not may_create and not exists(storage.url):
        what = "There is no ledger yet: the gateway makes it when it starts, or 'keys create'."
        raise LedgerError(f"{what} Is {project.root} the project? Choose it with --root.")
    return await Ledger.start(storage.url, storage.key_file, SystemClock(), new_id)


async def make_key(project: Project, wish: KeyWish) -> NewKey:
    """Create a key in a project's ledger, whether or not a gateway runs on it."""
    return await with_keys(project, lambda store: create_key(store, SystemClock(), new_id, wish))


async def with_keys(
    project: Project, work: Callable[[KeyStore], Awaitable[T]], *, may_create: bool = True
) -> T:
    """Do something with a project's keys."""
    ledger = await open_ledger(project, may_create=may_create)
    try:
        return await work(KeyStore(ledger.store))
    finally:
        await ledger.stop()


async def check_text(
    loaded: Loaded, policy: str, audience: str, stage: Stage, text: str
) -> CheckResult:
    """What a policy makes of one text."""
    plan = loaded.plan(policy)
    if audience not in plan.policy.audiences:
        known = ", ".join(plan.policy.audiences)
        raise RequestError(f"there is no such audience; there are {known}", param="audience")
    return await check_segments(
        plan,
        audience,
        (Segment("text", text, stage),),
        clock=SystemClock(),
        pseudonym_key=secrets.token_bytes(32),
        catalog=loaded.catalog.digest,
        scope=PseudonymScope("", "", None, new_id()),
    )


async def explain_text(
    loaded: Loaded, policy: str, audience: str | None, stage: Stage, text: str
) -> Explanation:
    """Why a policy does to a text what it does; without an audience, for the policy's default."""
    plan = loaded.plan(policy)
    minter = Minter(secrets.token_bytes(32), PseudonymScope("", "", new_id()))
    return await explain(
        loaded.catalog,
        plan,
        audience or plan.policy.default_audience,
        Segment("text", text, stage),
        minter=minter,
        now=SystemClock().now(),
    )


async def check_cases(project: Project, loaded: Loaded) -> tuple[int, tuple[Problem, ...]]:
    """Run all cases of a project: how many expectations there are, and those that do not hold.

    Budgets of false alarms are among them.
    """
    cases = cases_of(project.root, loaded.catalog, project.builds)
    count, problems = await run_cases(loaded, cases, SystemClock())
    budgets, broken = await check_budgets(project.root, loaded, SystemClock())
    return count + budgets, (*problems, *broken)
