"""`cloche info ENV`."""

from __future__ import annotations

import os

from cloche.cli import report
from cloche.cli.commands import COMMON
from cloche.cli.settings import resolve, session_of
from cloche.lifecycle.info import environment_info
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import Installed
    from cloche.model.interpreter import Host


def info(words: ParsedArguments, host: Host, argv: Sequence[str], started: float) -> int:
    settings = resolve(words, host, COMMON)
    with session_of(settings, host) as session:
        portrait = environment_info(words.operands[0], session)
    if settings.flag("json"):
        report.print_json(**as_json(portrait))
        return 0
    for title, text in lines(portrait):
        report.tell(f"{title + ':':14}{report.one_line(text)}")
    return 0


def lines(portrait: EnvironmentInfo) -> Iterator[tuple[str, str]]:
    """Yield what people want to know, as (title, text)."""
    environment = portrait.environment
    yield "environment", environment.location
    elsewhere = [root for root in portrait.recorded_roots if not same_place(root, environment.location)]
    if elsewhere:
        yield "made at", f"{', '.join(elsewhere)} (`cloche doctor --fix` mends what still points there)"
    yield "made by", portrait.maker
    yield "python", python_line(portrait)
    yield "prompt", environment.prompt
    yield "options", ", ".join(options(portrait)) or "none"
    yield "seeds", ", ".join(f"{one.key} {one.version}" for one in portrait.seeds) or "none"
    yield "packages", f"{len(portrait.distributions)} in {environment.place(environment.layout.purelib)}"
    for one in portrait.editable:
        yield "editable", f"{one.name} {one.version} from {one.editable}"
    yield "activate", ", ".join(portrait.activators) or "none"
    yield "size", f"{human(portrait.own_size)} of its own, {human(portrait.shared_size)} shared"


def python_line(portrait: EnvironmentInfo) -> str:
    interpreter, base = portrait.environment.interpreter, portrait.base
    recorded = portrait.version_text or "an unknown version"
    if interpreter is not None:
        was = "" if versions_agree(recorded, interpreter.version_text) else f", made for {recorded}"
        return f"{interpreter.name} at {interpreter.executable}{was}"
    if base is not None:
        return f"{recorded}, but {base.name} stands at {base.executable} now"
    return f"{recorded}, gone from {portrait.settings['home']}"


def versions_agree(recorded: str, actual: str) -> bool:
    """Return whether `3.12.1.final.0`, `3.12.1` or `3.12` is said of 3.12.1."""
    parts = recorded.split(".")[:3]
    return parts == actual.split(".")[: len(parts)]


def options(portrait: EnvironmentInfo) -> Iterator[str]:
    """Yield what was chosen when it was made, as far as it is recorded."""
    settings = portrait.settings
    if settings.get("include-system-site-packages", "").lower() == "true":
        yield "system-site-packages"
    if "prompt" in settings:
        yield "prompt"
    if portrait.environment.placement == "relocatable":
        yield "relocatable"
    executable = portrait.environment.place(portrait.environment.layout.executable)
    if not os.path.islink(executable) and os.path.isfile(executable) and portrait.environment.os_name != "nt":
        yield "copies"


def same_place(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def human(size: float) -> str:
    """Return a number of bytes as people read it: `7.4 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def as_json(portrait: EnvironmentInfo) -> dict[str, object]:
    return {
        "environment": report.environment_json(portrait.environment),
        "config": portrait.settings,
        "maker": portrait.maker,
        "python": {
            "recorded": portrait.recorded_version,
            "actual": portrait.base.version_text if portrait.base else None,
            "base_alive": portrait.environment.interpreter is not None,
        },
        "recorded_roots": portrait.recorded_roots,
        "options": list(options(portrait)),
        "packages": [package_json(one) for one in portrait.distributions],
        "activators": portrait.activators,
        "size": {"own": portrait.own_size, "shared": portrait.shared_size},
    }


def package_json(one: Installed) -> dict[str, object]:
    return {
        "name": one.name,
        "version": one.version,
        "installer": one.installer,
        "requested": one.requested == "yes",
        "editable": one.editable or None,
        "direct_url": one.origin or None,
    }
