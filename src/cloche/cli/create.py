"""`cloche [create] DEST`: create an environment."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.cli import report
from cloche.cli.user_shell import activation_hint
from cloche.errors import UsageError
from cloche.lifecycle.create import create_environment, plan_environment
from cloche.model.options import PORTABLE_OPTIONS
from cloche.model.plan import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.cli.invocation import Invocation
    from cloche.cli.settings import Settings
    from cloche.discovery import FoundInterpreter
    from cloche.model.aliases import Builds, Compile, Dependencies, LinkMode, Network, OnExisting, StartupPolicy
    from cloche.model.interpreter import Host
    from cloche.model.plan import ChosenComponent, Plan, Result


def create(invocation: Invocation) -> int:
    host = invocation.host
    with invocation.open_session() as session:
        arguments, settings = invocation.arguments, invocation.settings
        request = build_request(arguments.operands[0] if arguments.operands else ".venv", settings, host)
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
        if arguments.flag("dry-run"):
            plan, result = plan_environment(request, session), None
        else:
            result = create_environment(request, session)
            plan = result.plan
        if arguments.count("verbose"):
            report.print_message(describe_choice(plan, session.found, settings))
    report.print_warnings(plan.notes)
    if result is None:
        print_plan(plan, settings)
    else:
        print_created(result, request.spec, session.activators, invocation)
    return 0


def describe_choice(plan: Plan, found: FoundInterpreter | None, settings: Settings) -> str:
    """Return a line with the chosen Python, the finder that found it, and the reason for the choice."""
    interpreter = plan.environment.interpreter
    requested = settings.chosen.get("python")
    origin = "" if requested is None or requested.origin == "command line" else f" ({requested.origin})"
    because = plan.chosen_because or (f"{found.because}{origin}" if found else "the Python that runs cloche")
    name = f"{interpreter.name} at `{interpreter.executable}`" if interpreter else "Python"
    return report.one_line(f"cloche: using {name}, found by {found.found_by if found else 'current'}: {because}")


def print_plan(plan: Plan, settings: Settings) -> None:
    if settings.flag("json"):
        from cloche.cli import json_output

        json_output.print_json(plan=json_output.plan_json(plan))
    else:
        from cloche.cli.plan_text import plan_text

        report.print_result(plan_text(plan))


def print_created(
    result: Result, spec: EnvironmentSpec, activators: Iterable[ChosenComponent], invocation: Invocation
) -> None:
    milliseconds = (perf_counter() - invocation.started) * 1000
    if invocation.settings.flag("json"):
        from cloche.cli import json_output

        json_output.print_json(
            plan=json_output.plan_json(result.plan),
            result={
                "outcome": result.plan.outcome,
                "environment": json_output.environment_json(result.environment),
                "milliseconds": round(milliseconds, 1),
                "compiled": list(result.compiled),
                "warnings": report.recorded_warnings(),
            },
        )
    elif not invocation.arguments.count("quiet"):
        hint = activation_hint(result, activators, invocation.host)
        details = invocation.arguments.count("verbose")
        lines = [report.result_line(result, invocation.host, milliseconds, hint, details)]
        if not invocation.settings.last("pip") and (old_pip := old_pip_in(result.plan, spec)):
            lines.append(f"  pip {old_pip} is the newest on this machine; `--download` gets the latest release")
        startup = [image for image in result.plan.new_images if image.startup_code]
        if details or startup:
            from cloche.cli.plan_text import package_lines, startup_lines

            lines += package_lines(result.plan) if details else ()
            lines += startup_lines(startup) if details or spec.startup_code != "allow" else ()
        report.print_result("\n".join(lines))


RECENT_PIP = {(3, 6): (21, 3), (3, 7): (24,), (3, 8): (25,)}
"""The oldest pip that counts as recent, by Python version, where the newest pip does not support that Python."""


def old_pip_in(plan: Plan, spec: EnvironmentSpec) -> str:
    """Return the version of a pip that was installed only because this machine has no newer one; empty if it is recent.

    The newest local pip may be years old, such as the one that a Linux distribution puts beside cloche. One run that uses
    the network leaves the newest pip in the cache, for all later environments.
    """
    interpreter, wanted = plan.environment.interpreter, spec.wanted
    if interpreter is None or wanted is None or wanted.find_links or wanted.lock or wanted.network != "last-resort":
        return ""
    recent = RECENT_PIP.get(interpreter.version[:2], (25, 3))
    for image in plan.new_images:
        if image.distribution == "pip" and "pip" in wanted.requirements:
            numbers = tuple(int(part) for part in image.version.split(".")[:2] if part.isdecimal())
            return image.version if numbers < recent else ""
    return ""


# The request: settings as typed values


def build_request(operand: str, settings: Settings, host: Host) -> Request:
    """Return the request for `cloche create OPERAND`.

    :raises UsageError: the settings contradict each other.
    """
    links = settings.all("find-links")
    startup = startup_policy(settings)
    spec = EnvironmentSpec(
        pythons=settings.all("python"),
        try_first_with=settings.all("try-first-with"),
        no_finders=settings.all("no-finder"),
        consult="project",
        creator=settings.last("creator"),
        seeder=settings.last("seeder"),
        wanted=wanted_seeds(settings, tuple(os.path.join(host.cwd, directory) for directory in links), host),
        activators=parse_activators(settings.last("activators")),
        site_packages="system" if settings.flag("system-site-packages") else "isolated",
        options=component_options(settings),
        startup_code=startup[0],
        startup_packages=startup[1],
    )
    target = Target(
        destination=absolute_path(operand, host),
        existing=existing_policy(settings),
        prompt=settings.last("prompt"),
        link_mode=parse_link_mode(settings.last("link-mode")),
        vcs_ignore=not settings.flag("no-vcs-ignore"),
        placement="relocatable" if settings.flag("relocatable") else "fixed",
        extra_packages="kept" if settings.flag("keep-extra") else "removed",
    )
    return Request(spec, target)


def component_options(settings: Settings) -> dict[str, object]:
    """Return the values of the options that components declare, those of the creator `portable` included.

    :raises UsageError: the command line has an option of a creator that it does not choose.
    """
    portable = settings.last("creator") == "portable"
    for option in PORTABLE_OPTIONS:
        setting = settings.chosen.get(option.name)
        if setting and setting.origin == "command line" and not portable:
            raise UsageError(f"`--{option.name}` needs `--creator portable`", hint="add it, or leave the option out")
    return {
        option.name: settings.all(option.name) if option.kind == "list" else settings.last(option.name)
        for option in (*settings.plugin_options, *(PORTABLE_OPTIONS if portable else ()))
        if option.name in settings.chosen
    }


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
            raise UsageError(
                "`--force` needs `--clear`", hint="`--clear` alone replaces an environment and keeps all other files"
            )
        return "keep"
    if settings.flag("keep-extra"):
        raise UsageError("`--clear` and `--keep-extra` contradict each other", hint="choose one")
    return "replace-anything" if settings.flag("force") else "replace"


def parse_activators(text: str | None) -> tuple[str, ...] | None:
    """Return the names in `a,b`; None for all of them (`all`, or no setting), () for `none` or an empty string."""
    if text is None or text.strip() == "all":
        return None
    if text.strip() in ("", "none"):
        return ()
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


DEFAULT_VERSIONS = frozenset(("none", "embed", "bundle"))
"""Values of `--pip` that are not versions; `none` leaves it out, the others are virtualenv's names for the default."""


def wanted_seeds(settings: Settings, links: tuple[str, ...], host: Host) -> Wanted | None:
    """Return the packages to install; None for an environment without packages.

    A lock file replaces the default seed, pip. `embed` and `bundle` are virtualenv's names for the version that needs no
    download.

    :raises UsageError: the settings contradict each other.
    """
    lock = lock_request(settings, host)
    if settings.flag("no-seed"):
        if lock is not None:
            raise UsageError("`--lock` and `--no-seed` contradict each other", hint="choose one")
        if named := first_seed_option(settings, settings.chosen["no-seed"].origin):
            raise UsageError(
                f"`--no-seed` and `--{named}` contradict each other",
                hint="`--no-pip` leaves out pip and no other package",
            )
        return None
    requirements: list[str] = []
    for name in ("pip", "setuptools", "wheel"):
        refuse_version_without_seed(settings, name)
        version = settings.last(name)
        is_default = name == "pip" and lock is None
        if settings.flag(f"no-{name}") or version == "none" or (version is None and not is_default):
            continue
        requirements.append(name if version in (None, "embed", "bundle") else f"{name}=={version}")
    requirements += (seed for seed in settings.all("seed") if seed not in requirements)
    if not requirements and lock is None:
        return None
    dependencies: Dependencies = "omitted" if settings.flag("no-deps") else "included"
    return Wanted(
        tuple(requirements),
        links,
        network_policy(settings),
        dependencies,
        builds=builds_policy(settings),
        compile=compile_policy(settings),
        lock=lock,
    )


def refuse_version_without_seed(settings: Settings, name: str) -> None:
    """Refuse `--no-pip` beside `--pip VERSION`, unless one of them overrides a weaker source.

    :raises UsageError: one source sets both.
    """
    version, omitted = settings.chosen.get(name), settings.chosen.get(f"no-{name}")
    if version is None or omitted is None or version.origin != omitted.origin or not settings.flag(f"no-{name}"):
        return
    if not DEFAULT_VERSIONS.issuperset(version.values):
        raise UsageError(f"`--{name}` and `--no-{name}` contradict each other", hint="choose one")


def first_seed_option(settings: Settings, origin: str) -> str:
    """Return the first option that asks for a package in this source; empty if there is none."""
    for name in ("pip", "setuptools", "wheel", "seed"):
        setting = settings.chosen.get(name)
        if setting is not None and setting.origin == origin and not DEFAULT_VERSIONS.issuperset(setting.values):
            return name
    return ""


def startup_policy(settings: Settings) -> tuple[StartupPolicy, tuple[str, ...]]:
    """Return what happens to packages with startup code, and those that may have it anyway.

    :raises UsageError: the setting is not valid.
    """
    words = settings.all("startup-code")
    if not words:
        return "list", ()
    from cloche.store.startup_code import parse_policy

    return parse_policy(words)


def builds_policy(settings: Settings) -> Builds:
    return "refused" if settings.flag("only-binary") else "allowed"


def compile_policy(settings: Settings) -> Compile:
    """Return when packages are compiled to bytecode.

    :raises UsageError: one source sets both `compile` and `no-compile`.
    """
    wants, forbids = settings.flag("compile"), settings.flag("no-compile")
    if wants and forbids:
        raise UsageError("`--compile` and `--no-compile` contradict each other", hint="choose one")
    return "now" if wants else "never" if forbids else "auto"


def lock_request(settings: Settings, host: Host) -> LockRequest | None:
    """Return the lock file, and what to install from it; None without one.

    :raises UsageError: an option that needs a lock file is given without one.
    """
    path = settings.last("lock")
    if path is None:
        for name in ("extra", "group", "no-default-groups", "only-binary", "keep-extra"):
            if name in settings.chosen and settings.chosen[name].origin == "command line":
                raise UsageError(f"`--{name}` needs a lock file", hint="name one with `--lock`")
        return None
    return LockRequest(
        path=absolute_path(path, host),
        extras=settings.all("extra"),
        groups=settings.all("group"),
        default_groups="excluded" if settings.flag("no-default-groups") else "included",
    )


def network_policy(settings: Settings) -> Network:
    """Return when to use the network.

    :raises UsageError: one source sets both `download` and `no-download`.
    """
    wants, forbids = settings.flag("download"), settings.flag("no-download")
    if wants and forbids:
        raise UsageError("`--download` and `--no-download` contradict each other", hint="choose one")
    return "newest" if wants else "never" if forbids else "last-resort"
