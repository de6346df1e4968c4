"""`cloche [create] DEST`: create an environment."""

from __future__ import annotations

from time import gmtime, perf_counter

from cloche.cli import report
from cloche.cli.command_spec import COMPONENT_OPTIONS
from cloche.cli.user_shell import activation_hint
from cloche.errors import UsageError, counted
from cloche.lifecycle.create import create_environment, plan_environment
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import NEEDS_LOCK, request_for, warnings_about

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.cli.invocation import Invocation
    from cloche.cli.settings import Settings
    from cloche.discovery import FoundInterpreter
    from cloche.model.aliases import Choices, Compile, LinkMode, Network, OnExisting
    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.model.plan import ChosenComponent, EnvironmentSpec, Plan, Request, Result


def create(invocation: Invocation) -> int:
    host = invocation.host
    with invocation.open_session() as session:
        arguments, settings = invocation.arguments, invocation.settings
        request = build_request(arguments.operands[0] if arguments.operands else ".venv", settings, host)
        report.print_warnings(warnings_about(host, find_links=settings.all("find-links")))
        if arguments.count("verbose"):
            from cloche.cli.virtualenv_options import INEFFECTIVE

            report.print_warnings(
                f"`--{name}` is accepted for compatibility and ignored"
                for name in sorted(INEFFECTIVE & settings.chosen.keys())
            )
        if arguments.flag("dry-run"):
            (plan, resolved), result = plan_environment(request, session), None
        else:
            result, resolved = create_environment(request, session)
            plan = result.plan
        if arguments.count("verbose"):
            report.print_message(describe_choice(plan, resolved.found, settings))
    report.print_warnings(plan.notes)
    if result is None:
        print_plan(plan, settings)
    else:
        print_created(result, request.spec, resolved.blueprint.activators, invocation)
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

        report.print_result(plan_text(plan, packages_text(plan, 1)))


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
        lines = [result_line(result, invocation.host, milliseconds, hint, details)]
        if not invocation.settings.last("pip") and (old_pip := old_pip_in(result.plan, spec, gmtime().tm_year)):
            lines.append(f"  pip {old_pip} is the newest on this machine; `--download` gets the latest release")
        startup = [image for image in result.plan.new_images if image.startup_code]
        if details or startup:
            from cloche.cli.plan_text import package_lines, startup_lines

            lines += package_lines(result.plan) if details else ()
            lines += startup_lines(startup) if details or spec.startup_rule[0] != "allow" else ()
        report.print_result("\n".join(lines))


def result_line(result: Result, host: Host, milliseconds: float, hint: str, details: int = 0) -> str:
    """Return one line about a new environment: its location, Python and seeds, the duration, and how to activate it.

    :param hint: the command that activates the environment; empty if there is none.
    :param details: how often `-v` is given.
    """
    plan, environment = result.plan, result.environment
    interpreter = environment.interpreter
    because = f" (from {report.one_line(plan.chosen_because)})" if plan.chosen_because else ""
    location = report.one_line(report.relative_path(environment.location, host))
    parts = [
        f"{plan.outcome} {location}: {interpreter.name if interpreter else 'Python'}{because}",
        *packages_text(plan, details),
        f"{milliseconds:.0f} ms{compiled_text(result)}",
    ]
    return ", ".join(parts) + (f"; activate with: {hint}" if hint else "")


def compiled_text(result: Result) -> str:
    """Return which packages a run compiled, which later runs do not have to, in parentheses; empty if there are none."""
    if not result.compiled:
        return ""
    first, interpreter = result.compiled[0], result.environment.interpreter
    name = "the standard library" if interpreter and first == interpreter.implementation else first
    what = name if len(result.compiled) == 1 else f"{len(result.compiled)} packages"
    return f" (compiled {what} for all environments)"


def packages_text(plan: Plan, details: int) -> list[str]:
    """Return the packages of a plan as part of a sentence: their names, or their number and what changes.

    :param details: how often `-v` is given; `plan_text.package_lines` then has the names of many packages.
    """
    if not plan.is_update:
        names = [f"{image.distribution} {image.version}" for image in plan.images]
        if details and len(names) > report.MAX_LISTED_PACKAGES:
            return [counted(len(names), "package")]
        return [report.summarize(names, 0)] if names else ["no packages"] if plan.seeder == "lock" else []
    words = [
        f"{count} {word}"
        for word, count in (
            ("added", sum(not change.old for change in plan.changes)),
            ("removed", sum(not change.new for change in plan.changes)),
            ("changed", sum(bool(change.old and change.new) for change in plan.changes)),
        )
        if count
    ]
    number = counted(len(plan.images), "package")
    return [f"{number} ({', '.join(words)})" if words else number]


SUPPORTED_UNTIL = 2015
"""The year, less N, of a pip that supports Python 3.N: Python 3.N is released in 2011 + N and supported for five years, and
pip supports it about as long."""


def old_pip_in(plan: Plan, spec: EnvironmentSpec, year: int) -> str:
    """Return the version of a pip that was installed only because this machine has no newer one; empty if it is recent.

    The newest local pip may be years old, such as the one that a Linux distribution puts beside cloche. One run that uses
    the network leaves the newest pip in the cache, for all later environments. The version of a pip begins with its year; it
    is recent if that is this year or the last one, or if later releases may not support this Python.

    :param year: the current one.
    """
    interpreter, wanted = plan.environment.interpreter, spec.wanted
    if interpreter is None or wanted is None or wanted.find_links or wanted.lock or wanted.network != "last-resort":
        return ""
    recent = min(year - 1, SUPPORTED_UNTIL + interpreter.version[1])
    for image in plan.new_images:
        if image.distribution == "pip" and "pip" in wanted.requirements:
            number = image.version.partition(".")[0]
            return image.version if number.isdecimal() and 2000 + int(number) < recent else ""
    return ""


# The request: settings as typed values


OF_LOCK = frozenset(option.removeprefix("--") for option, _ in NEEDS_LOCK.values())
"""The options that concern only a lock file."""


def build_request(operand: str, settings: Settings, host: Host) -> Request:
    """Return the request for `cloche create OPERAND`.

    :raises UsageError: the settings contradict each other.
    """
    options = {option.name: option_value(option, settings) for option in chosen_options(settings)}
    configured = tuple(name for name in options if settings.chosen[name].origin != "command line")
    choices = choices_for(applicable_settings(settings))
    choices["options"] = options
    return request_for(
        host,
        destination=operand,
        consult="project",
        configured_options=configured,
        **choices,
    )


def applicable_settings(settings: Settings) -> Settings:
    """Return the settings that take effect: without a lock file, variables and config files that need one do not.

    Variables and config files apply to many environments, some of which have a lock file.
    """
    if settings.last("lock") is not None or settings.chosen.keys().isdisjoint(OF_LOCK):
        return settings
    chosen = {
        name: setting
        for name, setting in settings.chosen.items()
        if name not in OF_LOCK or setting.origin == "command line"
    }
    return replace(settings, chosen=chosen)


def choices_for(settings: Settings) -> Choices:
    """Return the arguments of `cloche.create` that mean the same as these settings, without `options`.

    :raises UsageError: two options for the same argument contradict each other.
    """
    choices: Choices = {
        "python": settings.all("python"),
        "try_first_with": settings.all("try-first-with"),
        "no_finders": settings.all("no-finder"),
        "creator": settings.last("creator"),
        "seeder": settings.last("seeder"),
        "seeds": wanted_seeds(settings),
        "lock": settings.last("lock"),
        "extras": settings.all("extra"),
        "groups": settings.all("group"),
        "default_groups": "excluded" if settings.flag("no-default-groups") else "included",
        "builds": "refused" if settings.flag("only-binary") else "allowed",
        "compile": compile_policy(settings),
        "extra_packages": "kept" if settings.flag("keep-extra") else "removed",
        "find_links": settings.all("find-links"),
        "network": network_policy(settings),
        "dependencies": "omitted" if settings.flag("no-deps") else "included",
        "activators": parse_activators(settings.last("activators")),
        "existing": existing_policy(settings),
        "site_packages": "system" if settings.flag("system-site-packages") else "isolated",
        "startup_code": settings.all("startup-code") or "list",
        "prompt": settings.last("prompt"),
        "link_mode": parse_link_mode(settings.last("link-mode")),
        "vcs_ignore": not settings.flag("no-vcs-ignore"),
        "relocatable": settings.flag("relocatable"),
    }
    return choices


def chosen_options(settings: Settings) -> Iterator[Option]:
    """Yield the options of components that are set, including built-in components."""
    for option in (*COMPONENT_OPTIONS, *settings.plugin_options):
        if option.name in settings.chosen:
            yield option


def option_value(option: Option, settings: Settings) -> object:
    """Return the value of an option of a component, in the type for its kind."""
    match option.kind:
        case "list":
            return settings.all(option.name)
        case "flag":
            return settings.flag(option.name)
        case "count":
            return len(settings.all(option.name))
        case _:
            return settings.last(option.name)


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


def wanted_seeds(settings: Settings) -> tuple[str, ...]:
    """Return the packages to install, without those of a lock file, which replaces the default seed, pip.

    `embed` and `bundle` are virtualenv's names for the version that needs no download.

    :raises UsageError: the settings contradict each other.
    """
    if settings.flag("no-seed"):
        if settings.last("lock") is not None:
            raise UsageError("`--lock` and `--no-seed` contradict each other", hint="choose one")
        if named := first_seed_option(settings, settings.chosen["no-seed"].origin):
            raise UsageError(
                f"`--no-seed` and `--{named}` contradict each other",
                hint="`--no-pip` leaves out pip and no other package",
            )
        return ()
    requirements: list[str] = []
    for name in ("pip", "setuptools", "wheel"):
        refuse_version_without_seed(settings, name)
        version = settings.last(name)
        is_default = name == "pip" and settings.last("lock") is None
        if settings.flag(f"no-{name}") or version == "none" or (version is None and not is_default):
            continue
        requirements.append(name if version in (None, "embed", "bundle") else f"{name}=={version}")
    return (*requirements, *(seed for seed in settings.all("seed") if seed not in requirements))


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


def compile_policy(settings: Settings) -> Compile:
    """Return when packages are compiled to bytecode.

    :raises UsageError: one source sets both `compile` and `no-compile`.
    """
    wants, forbids = settings.flag("compile"), settings.flag("no-compile")
    if wants and forbids:
        raise UsageError("`--compile` and `--no-compile` contradict each other", hint="choose one")
    return "now" if wants else "never" if forbids else "auto"


def network_policy(settings: Settings) -> Network:
    """Return when to use the network.

    :raises UsageError: one source sets both `download` and `no-download`.
    """
    wants, forbids = settings.flag("download"), settings.flag("no-download")
    if wants and forbids:
        raise UsageError("`--download` and `--no-download` contradict each other", hint="choose one")
    return "newest" if wants else "never" if forbids else "last-resort"
