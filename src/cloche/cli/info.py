"""`cloche info ENV`."""

from __future__ import annotations

import os

from cloche.cli import json_output, plan_text, report
from cloche.cli.command_spec import COMPONENT_OPTIONS
from cloche.cli.default_environment import chosen_environment
from cloche.errors import UsageError, human_size
from cloche.fs import is_same_file
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.installed_startup_code import installed_startup_code
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.pyvenv_cfg import sees_system_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.cli.invocation import Invocation
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.installed_startup_code import InstalledStartupCode
    from cloche.lifecycle.needs import Needs
    from cloche.model.plan import LockRequest


class RecordedLock(Value):
    """The lock file that an environment was created from, as far as it is recorded."""

    digest: str
    """A hash of what the lock file selected: `sha256:…`."""
    request: LockRequest | None
    """The file, and which parts of it are installed; None in a portable environment, which contains no path outside itself."""


def info(invocation: Invocation) -> int:
    """Print information about an environment; return the exit code."""
    settings = invocation.settings
    wants_bill = settings.last("format") is not None
    if wants_bill:
        if invocation.arguments.flag("json"):
            raise UsageError("`--json` and `--format` contradict each other", hint="choose one")
        report.reserve_stdout()  # plugins may print
    with invocation.open_session() as session:
        facts = environment_info(chosen_environment(invocation), session)
    if wants_bill:
        from cloche.lifecycle.bill_of_materials import bill_of_materials

        text = bill_of_materials(facts, invocation.host.environ)
        report.restore_stdout()
        report.print_result(text)
        return 0
    needs = needs_of(facts)
    startup = installed_startup_code(facts)
    if settings.flag("json"):
        json_output.print_json(**info_json(facts, needs), startup_code=[startup_json(item) for item in startup])
        return 0
    for title, text in summary_lines(facts, needs, invocation.arguments.count("verbose")):
        report.print_result(f"{title + ':':14}{report.one_line(text)}")
    for item in startup:
        owner = item.distribution or "no package"
        report.print_result(f"{'at start:':14}{owner}, {plan_text.startup_place(item.code)}")
    return 0


def needs_of(facts: EnvironmentInfo) -> Needs | None:
    """Return what a portable environment needs from the system; None for any other environment."""
    if not facts.is_portable:
        return None
    from cloche.lifecycle.needs import find_needs

    return find_needs(facts.environment.location, facts.environment.layout.executable)


def summary_lines(facts: EnvironmentInfo, needs: Needs | None, details: int) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary, as (title, text).

    :param details: how often `-v` is given.
    """
    environment = facts.environment
    yield "environment", environment.location
    elsewhere = [root for root in facts.recorded_roots if not is_same_file(root, environment.location)]
    if elsewhere:
        yield "created at", f"{', '.join(elsewhere)} (`cloche doctor --fix` updates the files that still point there)"
    yield "created by", facts.created_by
    yield "python", python_line(facts)
    yield "prompt", environment.prompt
    yield "options", ", ".join(recorded_options(facts)) or "none"
    yield "seeds", report.summarize([f"{seed.key} {seed.version}" for seed in facts.seeds], details) or "none"
    if lock := recorded_lock_file(facts):
        yield "lock", lock_line(lock)
    yield "packages", f"{len(facts.distributions)} in {environment.path_to(environment.layout.purelib)}"
    for distribution in facts.editable:
        yield "editable", f"{distribution.name} {distribution.version} from {distribution.editable}"
    yield "activate", ", ".join(facts.activation_scripts) or "none"
    if needs is not None:
        yield "needs", ", ".join([f"glibc {needs.glibc}"] * bool(needs.glibc) + list(needs.libraries)) or "nothing"
    yield "size", f"{human_size(facts.own_size)} of its own, {human_size(facts.shared_size)} shared"


def recorded_lock_file(facts: EnvironmentInfo) -> RecordedLock | None:
    """Return the lock file that an environment was created from; None if it was created without one."""
    from cloche.lifecycle.recorded_command import recorded_lock

    if "lock" not in facts.settings:
        return None
    wanted = recorded_lock(facts.settings)
    return RecordedLock(facts.settings["lock"], wanted.lock if wanted else None)


def lock_line(lock: RecordedLock) -> str:
    """Return the lock file, which parts of it are installed, and their hash."""
    if lock.request is None:
        return f"{lock.digest} (the lock file is not recorded)"
    words = [lock.request.path if os.path.isfile(lock.request.path) else f"{lock.request.path} (no longer exists)"]
    words += (f"extra {name}" for name in lock.request.extras)
    words += (f"group {name}" for name in lock.request.groups)
    if lock.request.default_groups == "excluded":
        words.append("no default groups")
    return ", ".join([*words, lock.digest])


def python_line(facts: EnvironmentInfo) -> str:
    """Return the description of the Python: what it is now, and what was recorded if that differs."""
    interpreter, base = facts.environment.interpreter, facts.base
    recorded = facts.version_text or "an unknown version"
    if interpreter is not None and facts.is_portable:
        return f"{interpreter.name}, in the environment"
    if facts.is_portable:
        return f"{recorded}, in the environment, which does not start (see `cloche doctor`)"
    if interpreter is not None:
        created_for = "" if versions_agree(recorded, interpreter.version_text) else f", created for {recorded}"
        return f"{interpreter.name} at {interpreter.executable}{created_for}"
    if base is not None:
        return f"{recorded}, but {base.executable} is {base.name} now"
    if facts.unusable_base is not None:
        executable, reason = facts.unusable_base
        return f"{recorded}; {executable} {reason}"
    return f"{recorded}, no longer in {facts.settings['home']}"


def versions_agree(recorded: str, actual: str) -> bool:
    """Return whether a recorded version (`3.12.1.final.0`, `3.12.1` or `3.12`) matches the actual one (`3.12.1`)."""
    parts = recorded.split(".")[:3]
    return parts == actual.split(".")[: len(parts)]


def recorded_options(facts: EnvironmentInfo) -> Iterator[str]:
    """Yield the options that an environment was created with, as far as they are recorded."""
    settings = facts.settings
    if sees_system_packages(settings):
        yield "system-site-packages"
    if facts.environment.naming == "chosen":
        yield "prompt"
    if facts.environment.placement == "relocatable":
        yield "relocatable"
    if facts.is_portable:
        yield "portable"
        for option in COMPONENT_OPTIONS:
            if option.name in settings:
                yield option.name if option.kind == "flag" else f"{option.name} {settings[option.name]}"
        return
    executable = facts.environment.path_to(facts.environment.layout.executable)
    if not os.path.islink(executable) and os.path.isfile(executable) and facts.environment.os_name != "nt":
        yield "copies"


def info_json(facts: EnvironmentInfo, needs: Needs | None) -> dict[str, object]:
    """Return the information as JSON."""
    return {
        "environment": json_output.environment_json(facts.environment),
        "config": facts.settings,
        "created_by": facts.created_by,
        "maker": facts.created_by,
        "python": {
            "recorded": facts.recorded_version,
            "actual": facts.base.version_text if facts.base else None,
            "base_exists": facts.environment.interpreter is not None,
            "base_alive": facts.environment.interpreter is not None,
        },
        "recorded_roots": facts.recorded_roots,
        "options": list(recorded_options(facts)),
        "lock": lock_json(lock) if (lock := recorded_lock_file(facts)) else None,
        "packages": [package_json(distribution) for distribution in facts.distributions],
        "activators": facts.activation_scripts,
        "needs": needs_json(needs) if needs else None,
        "size": {"own": facts.own_size, "shared": facts.shared_size},
    }


def startup_json(item: InstalledStartupCode) -> dict[str, object]:
    """Return the JSON object of startup code."""
    return {
        "distribution": item.distribution or None,
        "path": item.code.path,
        "line": item.code.line or None,
        "text": item.code.text or None,
    }


def lock_json(lock: RecordedLock) -> dict[str, object]:
    """Return the JSON object of the lock file that an environment was created from."""
    request = lock.request
    return {
        "digest": lock.digest,
        "path": request.path if request else None,
        "extras": list(request.extras) if request else None,
        "groups": list(request.groups) if request else None,
        "default_groups": request.default_groups if request else None,
    }


def needs_json(needs: Needs) -> dict[str, object]:
    """Return the JSON object of what a portable environment needs from the system."""
    return {
        "glibc": needs.glibc or None,
        "platform_tag": needs.tag or None,
        "loader": needs.loader or None,
        "libraries": {name: list(paths) for name, paths in needs.libraries.items()},
    }


def package_json(distribution: InstalledDistribution) -> dict[str, object]:
    """Return the JSON object of one package."""
    return {
        "name": distribution.name,
        "version": distribution.version,
        "installer": distribution.installer,
        "requested": distribution.requested,
        "editable": distribution.editable or None,
        "direct_url": distribution.origin or None,
    }
