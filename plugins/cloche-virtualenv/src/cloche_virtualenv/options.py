"""The options of virtualenv as a table, which the parsers of the command line, variables and configuration file use."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from cloche.model.value import Value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["flag", "count", "text", "list"]
    """`list` collects the values of all occurrences."""


class Option(Value):
    """An option; two options may set the same attribute (`--download`, `--no-download`)."""

    attribute: str
    """The attribute of the parsed options that it sets, with the same name as in virtualenv."""
    names: tuple[str, ...]
    """The names on the command line. `--no-seed` is also `VIRTUALENV_NO_SEED`, and `no_seed` in the file."""
    summary: str
    kind: Kind = "flag"
    metavar: str = ""
    default: object = None
    """The value if no source sets the attribute; given in the first option of the attribute."""
    true: object = True
    """The value that a flag sets."""
    false: object = False
    """The value that a flag sets if a variable or the file says false; `KEEP` to set nothing."""
    group: str = ""
    """The command line accepts only one option of a group."""
    is_ignored: bool = False
    """Whether it is accepted for compatibility and ignored."""


KEEP = object()
"""The marker for a flag that sets nothing; see `Option.false`."""

OPTIONS = (
    Option("with_traceback", ("--with-traceback",), "show where in the program an error occurred", default=False),
    Option("verbose", ("-v", "--verbose"), "print more", "count", default=2, group="verbosity"),
    Option("quiet", ("-q", "--quiet"), "print less", "count", default=0, group="verbosity"),
    Option("read_only_app_data", ("--read-only-app-data",), "use the cache without writing to it", default=False),
    Option("app_data", ("--app-data",), "the cache directory, by default cloche's", "text", "DIR"),
    Option("reset_app_data", ("--reset-app-data",), "empty the cache first", default=False),
    Option("discovery", ("--discovery",), "ignored", "text", "NAME", "builtin", is_ignored=True),
    Option("python", ("-p", "--python"), "which Python; of several, the first that is found", "list", "SPEC", ()),
    Option("try_first_with", ("--try-first-with",), "an interpreter to try before all others", "list", "EXE", ()),
    Option("creator", ("--creator",), "how to create the environment", "text", "NAME", "builtin"),
    Option("clear", ("--clear",), "replace an existing environment", default=False),
    Option("no_vcs_ignore", ("--no-vcs-ignore",), "write no `.gitignore` into the environment", default=False),
    Option(
        "venv_redirect", ("--venv-redirect",), "ignored: see the plugin cloche-python-envs", false=KEEP, is_ignored=True
    ),
    Option("venv_redirect", ("--no-venv-redirect",), "ignored", true=False, false=KEEP, is_ignored=True),
    Option(
        "system_site", ("--system-site-packages",), "give access to the packages of the base interpreter", default=False
    ),
    Option("symlinks", ("--symlinks",), "link to the base interpreter", default=False, group="links"),
    Option("copies", ("--copies", "--always-copy"), "copy the base interpreter", default=False, group="links"),
    Option("seeder", ("--seeder",), "what installs the seed packages", "text", "NAME", "app-data"),
    Option("no_seed", ("--no-seed", "--without-pip"), "install no packages", default=False),
    Option("download", ("--download",), "download the newest seed packages", false=None, group="network"),
    Option(
        "download",
        ("--no-download", "--never-download"),
        "download nothing",
        true=False,
        false=KEEP,
        group="network",
    ),
    Option("extra_search_dir", ("--extra-search-dir",), "a directory with wheels to prefer", "list", "DIR", ()),
    Option("pip", ("--pip",), "which pip: `bundle`, `embed`, `none` or a version", "text", "VERSION", "bundle"),
    Option("setuptools", ("--setuptools",), "which setuptools, by default none", "text", "VERSION", "none"),
    Option("wheel", ("--wheel",), "which wheel, by default none", "text", "VERSION", "none"),
    Option("no_pip", ("--no-pip",), "install no pip", default=False),
    Option("no_setuptools", ("--no-setuptools",), "install no setuptools", default=False),
    Option("no_wheel", ("--no-wheel",), "install no wheel", default=False),
    Option("no_periodic_update", ("--no-periodic-update",), "ignored", default=False, is_ignored=True),
    Option("symlink_app_data", ("--symlink-app-data",), "link seed packages from the cache", default=False),
    Option("activators", ("--activators",), "for which shells, by default all", "text", "a,b"),
    Option("prompt", ("--prompt",), "what an active shell shows; `.` for the current directory's name", "text", "TEXT"),
)


class Options(Namespace):
    """The parsed options; a program can pass an instance to `virtualenv.cli_run` and read the values from it."""

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.sources: dict[str, str] = {}

    @property
    def verbosity(self) -> int | None:
        """2 by default, more for each `-v`, less for each `-q`; None before the options are parsed."""
        if not hasattr(self, "verbose"):
            return None
        return max(int(self.verbose - self.quiet), 0)

    def get_source(self, attribute: str) -> str | None:
        """Return where a value comes from: `cli`, `env var`, `file` or `default`."""
        return self.sources.get(attribute)
