"""`cloche [create] DEST`: create an environment."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.cli import report
from cloche.cli.user_shell import activation_hint
from cloche.errors import UsageError
from cloche.model.plan import EnvironmentSpec, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.cli.invocation import Invocation
    from cloche.cli.settings import Settings
    from cloche.discovery import FoundInterpreter
    from cloche.model.interpreter import Host
    from cloche.model.operations import LinkMode
    from cloche.model.plan import ChosenComponent, Dependencies, Network, OnExisting, Plan, Result


def create(invocation: Invocation) -> int:
    host = invocation.host
    with invocation.open_session() as session:
        arguments, settings = invocation.arguments, invocation.settings
        request = build_request(arguments.operands[0], settings, host)
        report.print_warnings(
            f"`--find-links` is set to `{directory}`, which is not a directory"
            for directory in settings.all("find-links")
            if not os.path.isdir(os.path.join(host.cwd, directory))
        )
        if arguments.count("verbose"):
            from cloche.cli.virtualenv_options import INEFFECTIVE

            report.print_warnings(
                f"`--{name}` is accepted for compatibility and ignored"
                for name in sorted(INEFFECTIVE & settings.chosen.keys())
            )
        result = None if arguments.flag("dry-run") else session.create(request)
        plan = session.plan(request) if result is None else result.plan
        if arguments.count("verbose"):
            report.print_message(describe_choice(plan, session.found, settings))
    report.print_warnings(plan.notes)
    if result is None:
        print_plan(plan, settings, host)
    else:
        print_created(result, session.activators, invocation)
    return 0


def describe_choice(plan: Plan, found: FoundInterpreter | None, settings: Settings) -> str:
    """Return a line with the chosen Python, the finder that found it, and the reason for the choice."""
    interpreter = plan.environment.interpreter
    requested = settings.chosen.get("python")
    origin = "" if requested is None or requested.origin == "command line" else f" ({requested.origin})"
    because = plan.chosen_because or (f"{found.because}{origin}" if found else "the Python that runs cloche")
    name = f"{interpreter.name} at `{interpreter.executable}`" if interpreter else "Python"
    return report.one_line(f"cloche: {name}, found by {found.found_by if found else 'current'}: {because}")


def print_plan(plan: Plan, settings: Settings, host: Host) -> None:
    if settings.flag("json"):
        report.print_json(plan=report.plan_json(plan))
    else:
        report.print_result(report.plan_text(plan, host))


def print_created(result: Result, activators: Iterable[ChosenComponent], invocation: Invocation) -> None:
    milliseconds = (perf_counter() - invocation.started) * 1000
    if invocation.settings.flag("json"):
        report.print_json(
            plan=report.plan_json(result.plan),
            result={
                "outcome": result.plan.outcome,
                "environment": report.environment_json(result.environment),
                "milliseconds": round(milliseconds, 1),
                "warnings": report.printed_warnings,
            },
        )
    elif not invocation.arguments.count("quiet"):
        hint = activation_hint(result, activators, invocation.host)
        report.print_result(report.result_line(result, invocation.host, milliseconds, hint))


# The request: settings as typed values


def build_request(operand: str, settings: Settings, host: Host) -> Request:
    """Return the request for `cloche create OPERAND`.

    :raises UsageError: the settings contradict each other.
    """
    links = settings.all("find-links")
    spec = EnvironmentSpec(
        pythons=settings.all("python"),
        try_first_with=settings.all("try-first-with"),
        no_finders=settings.all("no-finder"),
        consult="project",
        creator=settings.last("creator"),
        seeder=settings.last("seeder"),
        wanted=wanted_seeds(settings, tuple(os.path.join(host.cwd, directory) for directory in links)),
        activators=parse_activators(settings.last("activators")),
        site_packages="system" if settings.flag("system-site-packages") else "isolated",
        options={
            option.name: settings.all(option.name) if option.kind == "list" else settings.last(option.name)
            for option in settings.plugin_options
            if option.name in settings.chosen
        },
    )
    target = Target(
        destination=absolute_path(operand, host),
        existing=existing_policy(settings),
        prompt=settings.last("prompt"),
        link_mode=parse_link_mode(settings.last("link-mode")),
        vcs_ignore=not settings.flag("no-vcs-ignore"),
        placement="relocatable" if settings.flag("relocatable") else "fixed",
    )
    return Request(spec, target)


def parse_link_mode(text: str | None) -> LinkMode:
    """Convert a link mode, which the parser has checked, to its type."""
    match text:
        case "clone" | "hardlink" | "copy" | "symlink":
            return text
        case _:
            return "auto"


def existing_policy(settings: Settings) -> OnExisting:
    if not settings.flag("clear"):
        if settings.flag("force") and settings.chosen["force"].origin == "command line":
            raise UsageError("`--force` needs `--clear`", hint="write `--clear --force`")
        return "keep"
    return "replace-anything" if settings.flag("force") else "replace"


def parse_activators(text: str | None) -> tuple[str, ...] | None:
    """Return the names in `a,b`; None for all of them (`all`, or no setting), () for `none` or an empty string."""
    if text is None or text.strip() == "all":
        return None
    if text.strip() in ("", "none"):
        return ()
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


def wanted_seeds(settings: Settings, links: tuple[str, ...]) -> Wanted | None:
    """Return the seeds to install; None for no seeds.

    `embed` and `bundle` are virtualenv's names for the version that needs no download.
    """
    if settings.flag("no-seed"):
        return None
    requirements: list[str] = []
    for name in ("pip", "setuptools", "wheel"):
        version = settings.last(name)
        if settings.flag(f"no-{name}") or version == "none" or (version is None and name != "pip"):
            continue
        requirements.append(name if version in (None, "embed", "bundle") else f"{name}=={version}")
    requirements += (seed for seed in settings.all("seed") if seed not in requirements)
    if not requirements:
        return None
    dependencies: Dependencies = "omitted" if settings.flag("no-deps") else "included"
    return Wanted(tuple(requirements), links, network_policy(settings), dependencies)


def network_policy(settings: Settings) -> Network:
    """Return when to use the network.

    :raises UsageError: one source sets both `download` and `no-download`.
    """
    wants, forbids = settings.flag("download"), settings.flag("no-download")
    if wants and forbids:
        raise UsageError("`--download` and `--no-download` contradict each other", hint="choose one")
    return "newest" if wants else "never" if forbids else "last-resort"
