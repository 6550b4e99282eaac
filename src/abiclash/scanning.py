"""The main job: targets in, findings out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash import __version__
from abiclash.imports.registrations import contested
from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.tables import Q_WEAK
from abiclash.planner import ImportPlanner, modules_of
from abiclash.rules.case import Stage
from abiclash.rules.judging import erroneous, judge
from abiclash.rules.model import Coverage, Host, Outcome, ScannedPackage, ScanResult, Verdict
from abiclash.setting import set_up
from abiclash.simulate import Player, simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import WheelFacts
    from abiclash.facts.store import Store
    from abiclash.progress import Progress
    from abiclash.rules.case import Case, CasePackage, Run
    from abiclash.rules.model import Finding
    from abiclash.setting import Setting
    from abiclash.sources.host_profile import HostProfile
    from abiclash.sources.resolution import Resolution
    from abiclash.sources.target import Target
    from abiclash.sources.wheelset import WheelSet


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What to look at, and as if where.

    targets: as the user named them. requirements: files in requirements.txt format. environment: an installed
    environment to look at. python: "3.11" or "3.11.7"; None: the environment's, else the one abiclash runs on.
    platform: a platform tag such as manylinux_2_28_x86_64; None: this machine's. host: name or path of a host
    profile; None: this machine where it fits the platform, else the shipped one nearest to it. all_orders: play the
    packages in every order that matters, not only as given. cache: folder of wheels and facts; None: the user's.
    offline: use no network. refresh: resolve anew and read wheels again that are known already. facts: URL or folder of
    published facts: what is there is not downloaded as a wheel. dependencies: of the targets, too, as pip would
    install them. verify: hash the files in wheels named by their path, and compare with RECORD.
    """

    targets: tuple[str, ...]
    requirements: tuple[Path, ...] = ()
    environment: Path | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    all_orders: bool = True
    cache: Path | None = None
    offline: bool = False
    refresh: bool = False
    facts: str = ""
    dependencies: bool = True
    verify: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """A scan with what it rests on. case: what was played. player: can play further orders of the same packages."""

    result: ScanResult
    case: Case
    player: Player


def scan(request: ScanRequest, progress: Progress | None = None) -> ScanResult:
    """Return what `played` finds, and let go of everything else."""
    return played(request, progress).result


def played(request: ScanRequest, progress: Progress | None = None) -> Scanned:
    """Resolve, read, play and judge. Nothing is installed, unpacked or executed.

    Raises AbiclashError where nothing can be said at all; whatever else goes wrong is in `not_analysed`.
    """
    setting, wheels, planner = prepare(request, progress)
    player = Player(setting.world, setting.host, planner)
    case = play(setting, planner, player, every=request.all_orders)
    return Scanned(judged(request, setting, wheels, planner, case), case, player)


def judged(request: ScanRequest, setting: Setting, wheels: WheelSet, planner: ImportPlanner, case: Case) -> ScanResult:
    """Return what is to be said of what was played."""
    findings = judge(case)
    return ScanResult(
        version=__version__,
        targets=tuple(request.targets) + tuple(str(path) for path in request.requirements),
        packages=tuple(_package(package.wheel) for package in setting.packages.values()),
        host=_host(setting.host),
        orders=tuple(_verdicts(case, findings)),
        findings=findings,
        not_analysed=unread_of(setting, wheels, planner),
        coverage=_total(case, setting.packages.values()),
    )


def play(setting: Setting, planner: ImportPlanner, player: Player, *, every: bool) -> Case:
    """Play the requested packages alone and together. every: in all orders that matter, not only as given."""
    files = {name: (file.path for file in package.wheel.files) for name, package in setting.packages.items()}
    return simulate(
        player,
        setting.packages,
        setting.owners,
        setting.names,
        every=every,
        plans=planner.plans,
        descriptors=contested(setting.imports, files),
    )


def unread_of(setting: Setting, wheels: WheelSet, planner: ImportPlanner) -> tuple[NotAnalysed, ...]:
    """Return everything that could not be read or followed, sorted."""
    unread = {*wheels.not_analysed, *(item for wheel in setting.packages.values() for item in wheel.wheel.not_analysed)}
    unread.update(item for plan in planner.plans.values() for item in plan.not_analysed)
    unread.update(setting.host.not_analysed)
    unread.update(setting.store.not_kept)
    return tuple(sorted(unread))


def prepare(request: ScanRequest, progress: Progress | None = None) -> tuple[Setting, WheelSet, ImportPlanner]:
    """Do everything up to the playing: resolve, fetch, index, choose the host and lay the wheels out on it."""
    from abiclash.sources.fetch import Fetcher  # noqa: PLC0415 - start-up
    from abiclash.sources.wheelset import gather  # noqa: PLC0415 - start-up

    targets, store, resolution = _resolve(request)
    host = choose_host(request, resolution)
    wheels = gather(resolution, store, progress=progress, offline=request.offline, verify=request.verify)
    order = _import_order(targets, wheels)
    setting = set_up(wheels, order, host, store, Fetcher(store.root, offline=request.offline))
    return setting, wheels, ImportPlanner(setting, store)


def gathered(request: ScanRequest, progress: Progress | None = None) -> tuple[Store, WheelSet]:
    """Resolve, fetch and index only: the facts of what a request names, and the store that knows their names."""
    from abiclash.sources.wheelset import gather  # noqa: PLC0415 - start-up

    _, store, resolution = _resolve(request)
    return store, gather(resolution, store, progress=progress, offline=request.offline, verify=request.verify)


def _resolve(request: ScanRequest) -> tuple[list[Target], Store, Resolution]:
    from abiclash.facts.store import Store  # noqa: PLC0415 - start-up
    from abiclash.sources.published import open_published  # noqa: PLC0415 - start-up
    from abiclash.sources.resolve import Options, resolve  # noqa: PLC0415 - start-up

    store = Store(request.cache, upstream=open_published(request.facts))
    targets = _targets(request)
    options = Options(store.root, request.dependencies, request.offline, request.refresh)
    return targets, store, resolve(targets, request.python, request.platform, options)


def _targets(request: ScanRequest) -> list[Target]:
    from abiclash.sources.target import environment_target, parse_target, requirements_target  # noqa: PLC0415 - start-up

    targets: list[Target] = [parse_target(text) for text in request.targets]
    targets += [requirements_target(str(path)) for path in request.requirements]
    if request.environment is not None:
        targets.append(environment_target(str(request.environment)))
    return targets


def choose_host(request: ScanRequest, resolution: Resolution) -> HostProfile:
    """Return the profile to play on: the one asked for, the environment's machine, or the nearest shipped one.

    This machine itself is used where its own interpreter fits; else a shipped host with the wanted interpreter.
    """
    from abiclash.sources.live_host import live  # noqa: PLC0415 - start-up
    from abiclash.sources.platform import Platform, Python  # noqa: PLC0415 - start-up
    from abiclash.sources.profiles import default_profile, load_profile  # noqa: PLC0415 - start-up

    runtime = resolution.runtime
    # A build without the GIL takes other suffixes and another ABI: the usual build's facts do not stand for it.
    wanted = runtime.python.short + ("t" if runtime.python.threaded else "")
    if request.host not in (None, "live"):
        return load_profile(request.host, wanted, machine=runtime.platform.machine)
    if request.environment is not None:
        return live(request.environment)
    running = Python.running()
    here = (running.short, running.threaded) == (runtime.python.short, runtime.python.threaded)
    fits = request.platform is None or runtime.platform == Platform.running()
    if request.host == "live" or (here and fits):
        return live()
    name = default_profile(runtime.platform.libc, runtime.platform.version)
    return load_profile(name, wanted, machine=runtime.platform.machine)


def _import_order(targets: Sequence[Target], wheels: WheelSet) -> list[str]:
    """Return the packages to import, as the user named them; what a file or folder names follows by name."""
    named = [name for target in targets if (name := getattr(target, "name", None))]
    known = {wheel.name for wheel in wheels.wheels} | {wheel.name for wheel in wheels.installed}
    rest = sorted(name for name in wheels.requested if name not in named)
    if not named and not rest:
        rest = sorted(wheel.name for wheel in wheels.installed if wheel.objects)
    return [name for name in dict.fromkeys([*named, *rest]) if name in known]


def _verdicts(case: Case, findings: Sequence[Finding]) -> Iterable[Verdict]:
    orders = dict.fromkeys(run.order for run in case.together) or dict.fromkeys(
        run.order for run in case.alone.values()
    )
    failing = case.broken | erroneous(orders, findings).keys()
    for order in orders:
        run = next(r for r in (*case.together, *case.alone.values()) if r.order == order and r.stage is Stage.IMPORT)
        broken = any(p.load.certainty == "certain" for p in case.new_failures(run))
        outcome = Outcome.LOAD_FAILURE if broken else Outcome.CONFLICT if order in failing else Outcome.CLEAN
        yield Verdict(order, outcome, _coverage(run))


def _coverage(run: Run) -> Coverage:
    total = resolved = 0
    for link in run.process.maps.values():
        if link.targets is not None:
            weak = (run.process.world.table(link.file).queries.flags & Q_WEAK) != 0
            total += len(link.targets)
            resolved += int(np.count_nonzero((link.targets != NOT_FOUND) | weak))
    loads = Counter(played.load.cause.kind for played in run.played)
    count = len(run.process.maps)
    return Coverage(total, resolved, count, count, dict(sorted(loads.items())))


def _total(case: Case, packages: Iterable[CasePackage]) -> Coverage:
    runs = case.together or tuple(case.alone.values())
    parts = [_coverage(run) for run in runs if run.stage is Stage.IMPORT]
    widest = max(parts, key=lambda part: part.references, default=Coverage())
    wheels = [package.wheel for package in packages]
    read = sum(len(wheel.objects) for wheel in wheels)
    unread = sum(1 for wheel in wheels for item in wheel.not_analysed if "!" in item.what)
    return Coverage(widest.references, widest.resolved, read + unread, read, widest.loads)


def _package(wheel: WheelFacts) -> ScannedPackage:
    return ScannedPackage(wheel.name, wheel.version, wheel.filename, wheel.sha256, modules_of(wheel))


def _host(host: HostProfile) -> Host:
    version = ".".join(map(str, host.libc_version))
    return Host(host.name, host.machine, host.libc, version, host.interpreter.release)
