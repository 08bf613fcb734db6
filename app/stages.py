"""Part of ``main``: what cases are played with, put together anew for each run of each case."""

import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from app.access.admission import Admission
from app.access.keys import Authenticator
from app.backends.outside import Answers, Reach
from app.backends.recorded import Questions, RecordedBackend, RecordedOutside, Recorder
from app.catalog.check_file import Judged
from app.domain.catalog import Route, Target
from app.domain.errors import LedgerError, RequestError
from app.domain.prices import Prices
from app.domain.protocols import Backend, Caller, Outside
from app.domain.record import Timings
from app.domain.recording import AnswersFrom, Purpose, Recordings
from app.evals.asking import Means
from app.evals.ceiling import Ceiling, Meter, MeteredBackend, refuse_unknown
from app.evals.play import Observed, Stage
from app.evals.run_suites import (
    Opened,
    Options,
    Planned,
)
from app.guardrails.evaluate import History
from app.ledger.keys import KeyStore
from app.ledger.ledger import Ledger
from app.ledger.pseudonyms import Vault
from app.main import Project, SystemClock, new_id
from app.metrics.observed import from_record
from app.outgoing import detectors_routes, open_reach, start_backends
from app.pipeline.gateway import Readiness
from app.pipeline.loaded import Loaded
from app.pipeline.numbers import Numbers
from app.pipeline.service import Pipeline
from app.pipeline.steps import Steps
from app.telemetry.metrics import Metrics

_TENANT = "evals"
_KEY = hashlib.sha256(b"pseudonyms of cases").digest()
"""The same in every run, so that models are asked the same. Cases hold nobody's data."""
_FREE = frozenset({"local", "scripted"})
"""Types of backends whose answers cost no money."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run, how, and for how much."""

    runs: Sequence[Planned]
    options: Options
    ceiling: Ceiling


@dataclass(frozen=True, slots=True)
class Shared:
    """What all runs of cases share."""

    project: Project
    loaded: Loaded
    answers: AnswersFrom
    backends: Mapping[str, Backend]
    """Those that were started."""
    recordings: Recordings
    meter: Meter
    prices: Prices
    ledger: Ledger
    reach: Reach
    steps: Steps
    admission: Admission


class Stages:
    """Opens a stage for each run of a case, and means to judge by for all else."""

    def __init__(self, shared: Shared, options: Options) -> None:
        self._shared = shared
        self._options = options
        self.questions: list[Questions] = []
        """Of all that was opened."""

    def open(self, each: Planned) -> Opened:
        """What one run of a case is played and judged with."""
        company = self._company(each.suite.id, each.case_id, each.repeat)
        return company.opened(each, route_of(each, self._options))

    def means(self, suite: str, label: str) -> tuple[Means, Questions]:
        """What something else of a suite is judged with, such as its judges, and what it asks."""
        company = self._company(suite, label, 0)
        return company.means(), company.questions

    def _company(self, suite: str, case: str, repeat: int) -> "_Company":
        questions = Questions(suite, case, repeat)
        self.questions.append(questions)
        return _Company(self._shared, questions)


@asynccontextmanager
async def stages(
    project: Project,
    loaded: Loaded,
    wanted: Wanted,
    recordings: Recordings,
) -> AsyncIterator[Stages]:
    """Start what cases are played with.

    Where answers are recorded ones, no backend is started and nobody outside is asked. Records go
    to a ledger of the run's own, which is deleted at its end.

    Raises:
        BannetonError: Something did not start, or a ceiling in money cannot be kept.
    """
    settings, clock, options = project.settings, SystemClock(), wanted.options
    prices = settings.model_prices
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="banneton-eval-")))
        ledger = await Ledger.start(
            f"sqlite:///{folder / 'ledger.db'}", folder / "ledger.key", clock, new_id
        )
        stack.push_async_callback(ledger.stop)
        backends: dict[str, Backend] = {}
        if options.answers is not AnswersFrom.RECORDED:
            targets = list(_targets(project, loaded, wanted.runs, options))
            paid = [each for each in targets if settings.backends[each.backend].type not in _FREE]
            refuse_unknown(wanted.ceiling, paid, prices)
            names = {each.backend for each in targets}
            backends = await start_backends(settings, project.root, names, new_id, stack)
        reach = await open_reach(settings, backends, clock, new_id, stack)
        shared = Shared(
            project,
            loaded,
            options.answers,
            backends,
            recordings,
            Meter(wanted.ceiling, prices),
            prices,
            ledger,
            reach,
            Steps(
                backends={},
                ledger=ledger,
                vault=Vault(ledger.store),
                metrics=Metrics(),
                clock=clock,
                new_id=new_id,
                outside=reach.asking,
                pseudonym_key=_KEY,
                history=History(secrets.token_bytes(32)),
                max_messages=settings.limits.max_messages,
                max_text_chars=settings.limits.max_text_chars,
            ),
            Admission(Authenticator(KeyStore(ledger.store), clock)),
        )
        yield Stages(shared, options)


def route_of(each: Planned, options: Options) -> str | None:
    """The route that a case's persona takes; none leaves it its own."""
    return options.route or each.case.written.route


def _targets(
    project: Project, loaded: Loaded, runs: Sequence[Planned], options: Options
) -> Iterator[Target]:
    """Every model that these runs may ask."""
    personas = {each.case.persona for each in runs}
    served = {key: each for key, each in loaded.served.items() if key[0] in personas}
    policies = {each.persona.policy for each in served.values()}
    catalog = replace(
        loaded.catalog,
        personas={name: loaded.catalog.personas[name] for name in personas},
        variants={key: each for key, each in loaded.catalog.variants.items() if key[0] in personas},
        policies={name: loaded.catalog.policies[name] for name in policies},
    )
    routes = detectors_routes(replace(loaded, catalog=catalog), project.builds.kinds)
    for each in runs:
        route, written = route_of(each, options), each.case.written
        routes.append(
            served[each.case.persona, written.variant].route
            if route is None
            else route_named(loaded, route)
        )
        if written.simulated_user is not None:
            routes.append(route_named(loaded, written.simulated_user.route))
        routes += [route_named(loaded, name) for name in _judges_routes(each)]
    for route_ in routes:
        yield from route_.all_targets


def _judges_routes(each: Planned) -> Iterator[str]:
    case, suite = each.case, each.suite
    for check in (*itertools.chain(*case.expect), *case.every_turn, *case.goal, *case.violates):
        if isinstance(check, Judged):
            yield from check.judge.routes
    for judge in suite.judges.values():
        yield from judge.routes


def route_named(loaded: Loaded, name: str) -> Route:
    """The route of this name.

    Raises:
        RequestError: There is none.
    """
    found = loaded.routes.get(name)
    if found is None:
        known = ", ".join(sorted(loaded.routes))
        raise RequestError(f"--route: there is no such route; there are {known}", param="route")
    return found


class _Company:
    """All that one run of a case is played with. Nothing in it remembers another run."""

    def __init__(self, shared: Shared, questions: Questions) -> None:
        self._shared = shared
        self.questions = questions
        settings = shared.project.settings.backends
        scripted = {name for name, backend in settings.items() if backend.type == "scripted"}
        self._recorder = Recorder(
            shared.recordings, self.questions, shared.steps.clock, frozenset(scripted)
        )
        run = f"{questions.suite}/{questions.case}#{questions.repeat}"
        self._prefix = hashlib.sha256(run.encode()).hexdigest()[:16]
        self._numbers = itertools.count(1)
        self._told = 0
        self._detectors = self._reach(Purpose.DETECTOR)

    def opened(self, each: Planned, route: str | None) -> Opened:
        """The stage, and the means to judge what happens on it."""
        shared = self._shared
        loaded = _prepared(
            shared.loaded, None if route is None else route_named(shared.loaded, route)
        )
        steps = replace(
            shared.steps,
            backends=self._backends(Purpose.ANSWER),
            new_id=self._new_id,
            outside=self._outside,
        )
        pipeline = Pipeline(
            steps,
            loaded=lambda: loaded,
            readiness=lambda: Readiness("ready", loaded.catalog.digest),
            ledger=shared.ledger,
            admission=shared.admission,
            numbers=Numbers(
                steps.metrics, shared.ledger, shared.prices, steps.clock, is_shown=False
            ),
        )
        user = self._reach(Purpose.USER).asking(_TENANT, loaded.routes)
        served = loaded.served[each.case.persona, each.case.written.variant]
        # May ask under any audience of the persona's policy: the case says under which.
        caller = Caller(_TENANT, _TENANT, None, served.plan.policy.audiences[-1])
        stage = Stage(pipeline, caller, self._observed, user)
        return Opened(stage, self.means(), self.questions)

    def means(self) -> Means:
        """What checks are made with."""
        judges = self._reach(Purpose.JUDGE).asking(_TENANT, self._shared.loaded.routes)
        return Means(self._shared.project.builds, judges)

    def _backends(self, purpose: Purpose) -> dict[str, Backend]:
        shared = self._shared
        metered = {
            name: MeteredBackend(shared.meter, self.questions, name, behind)
            for name, behind in shared.backends.items()
        }
        match shared.answers:
            case AnswersFrom.LIVE:
                return {**metered}
            case AnswersFrom.RECORD:
                return {
                    name: RecordedBackend(self._recorder, purpose, name, behind)
                    for name, behind in metered.items()
                }
            case AnswersFrom.RECORDED:
                return {
                    name: RecordedBackend(self._recorder, purpose, name, None)
                    for name in shared.project.settings.backends
                }

    def _reach(self, purpose: Purpose) -> Reach:
        """What is asked for one purpose. The same question is answered once in a run of a case."""
        answers = Answers(secrets.token_bytes(32))
        return replace(self._shared.reach, backends=self._backends(purpose), answers=answers)

    def _outside(self, tenant: str, routes: Mapping[str, Route]) -> Outside:
        """What detectors of one exchange ask through."""
        outside = self._detectors.asking(tenant, routes)
        if self._shared.answers is AnswersFrom.LIVE:
            return outside
        asks = self._shared.answers is AnswersFrom.RECORD
        return RecordedOutside(self._recorder, outside, asks=asks)

    def _new_id(self) -> str:
        """Ids that the same run of the same case has again."""
        return f"{self._prefix}{next(self._numbers):08x}"

    async def _observed(self, request_id: str) -> Observed:
        """What the record of an exchange says, with the durations that were recorded."""
        shared = self._shared
        record = await shared.ledger.record(request_id, tenant=_TENANT)
        if record is None or record.closing is None:
            raise LedgerError("an exchange of a case left no record that is closed")
        exchange = from_record(record.opening, record.closing, shared.prices)
        if shared.answers is AnswersFrom.LIVE:
            first_ms, total_ms = exchange.first_token_ms, exchange.total_ms
            return Observed(exchange, Timings(0.0, first_ms, total_ms))
        answered = self.questions.answered[self._told :]
        self._told += len(answered)
        mine = [recording for purpose, recording in answered if purpose is Purpose.ANSWER]
        firsts = [each.first_ms for each in mine]
        totals = [each.total_ms for each in mine if each.total_ms is not None]
        first_ms = None if not firsts or firsts[0] is None else float(firsts[0])
        total_ms = float(sum(totals))
        is_known = bool(mine) and len(totals) == len(mine)
        exchange = replace(exchange, first_token_ms=first_ms, total_ms=total_ms)
        return Observed(exchange, Timings(0.0, first_ms, total_ms) if is_known else None)


def _prepared(loaded: Loaded, route: Route | None) -> Loaded:
    """As cases are served: every behaviour is measured, and all take one route if there is one.

    A case names its variant; none is drawn, and none runs beside another.
    """
    served = {
        key: replace(
            each,
            behaviours=tuple(replace(one, percent=100.0) for one in each.behaviours),
            route=each.route if route is None else route,
        )
        for key, each in loaded.served.items()
    }
    return replace(loaded, served=served, splits={}, shadows={})
