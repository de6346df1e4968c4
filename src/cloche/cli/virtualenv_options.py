"""The options of `cloche create` in virtualenv's spelling, loaded when a command line or a setting uses one."""

from __future__ import annotations

from cloche.cli.command_spec import COMMON
from cloche.model.options import Option
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.aliases import OptionKind


def _alias(
    name: str, meaning: str, metavar: str = "", *, of: str = "", implies: tuple[tuple[str, str], ...] = ()
) -> Option:
    """Return an option in another tool's spelling; it takes a value if `metavar` is given."""
    kind: OptionKind = "flag" if not metavar else "list" if of == "find-links" else "text"
    group = "spellings of virtualenv"
    return Option(name, meaning, kind, metavar, group=group, alias_of=of, implies=implies, hidden=True)


VIRTUALENV = (
    _alias("without-pip", "same as `--no-seed`", implies=(("no-seed", "true"),)),
    _alias("copies", "same as `--creator copy`", implies=(("creator", "copy"),)),
    _alias("always-copy", "same as `--creator copy`", implies=(("creator", "copy"),)),
    _alias("symlinks", "same as `--creator symlink`", implies=(("creator", "symlink"),)),
    _alias("extra-search-dir", "same as `--find-links`", "DIR", of="find-links"),
    _alias("setuptools", "the version of setuptools to install", "VERSION"),
    _alias("wheel", "the version of wheel to install", "VERSION"),
    _alias("no-pip", "do not install pip"),
    _alias("no-setuptools", "do not install setuptools (the default)"),
    _alias("no-wheel", "do not install wheel (the default)"),
    _alias("never-download", "same as `--no-download`", implies=(("no-download", "true"),)),
    _alias("app-data", "same as `--cache-dir`", "DIR", of="cache-dir"),
    _alias("read-only-app-data", "same as `--read-only-cache`", implies=(("read-only-cache", "true"),)),
    _alias("symlink-app-data", "same as `--link-mode symlink`", implies=(("link-mode", "symlink"),)),
    _alias("with-traceback", "same as `--traceback`", implies=(("traceback", "true"),)),
    _alias("reset-app-data", "no effect: `cloche cache clear` empties the cache"),
    _alias("no-periodic-update", "no effect: nothing is updated in the background"),
    _alias("upgrade-embed-wheels", "no effect: no wheels are embedded"),
    _alias("discovery", "no effect: there is only one discovery method", "NAME"),
    _alias("venv-redirect", "no effect: a plugin lists environments in `.python-envs`"),
    _alias("no-venv-redirect", "no effect: a plugin lists environments in `.python-envs`"),
)

INEFFECTIVE = frozenset(
    ("reset-app-data", "no-periodic-update", "upgrade-embed-wheels", "discovery", "venv-redirect", "no-venv-redirect")
)
"""Options that are accepted for compatibility and ignored."""


def common_aliases() -> list[Option]:
    """Return the spellings of common options. Every command accepts them in variables and config files."""
    common = {option.name for option in COMMON}
    return [alias for alias in VIRTUALENV if common & {alias.alias_of, *(implied for implied, _ in alias.implies)}]
