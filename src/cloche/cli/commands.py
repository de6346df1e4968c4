"""What the command line understands: every command with its options, as data.

Parsing, help, completion, variables, config files and the reference pages all read these tables.
"""

from __future__ import annotations

from cloche.model.options import Option
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from cloche.model.options import Kind


@value
class CommandSpec:
    """A command."""

    name: str
    summary: str
    """What it does, as a lower-case fragment."""
    implementation: str
    """`"package.module:attribute"` of a function that takes an `Invocation` and returns an exit code."""
    options: tuple[Option, ...] = ()
    operands: str = ""
    """What it takes besides options, as help shows it: `DEST`, `[SPEC]`, `ENV...`."""
    least: int = 0
    """How many operands it needs."""
    most: int = 0
    """How many operands it takes; -1 for any number."""
    rest: str = ""
    """What stands after `--` and is handed on unread: `CMD`."""
    choices: tuple[str, ...] = ()
    """The only words that its first operand can be; empty: any."""
    reads: tuple[Option, ...] = ()
    """Options of other commands that it reads from variables and config files."""


COMMON = (
    Option("json", "print one JSON object with `schema_version` on standard output", "flag", group="output"),
    Option("quiet", "say less; twice: only errors", "count", short="q", group="output", sources="argv"),
    Option("verbose", "say more", "count", short="v", group="output", sources="argv"),
    Option("traceback", "show where in the program an error came from", "flag", group="output"),
    Option("cache-dir", "where seeds and facts about interpreters are kept", metavar="DIR", group="cache"),
    Option("read-only-cache", "use the cache and never write to it", "flag", group="cache"),
    Option("no-plugin", "leave out a plugin, by its own or its distribution's name", "list", "NAME", group="plugins"),
    Option("no-plugins", "leave out every plugin that did not come in the box", "flag", group="plugins"),
    Option("version", "print the version", "flag", group="output", sources="argv"),
    Option("help", "print this", "flag", short="h", group="output", sources="argv"),
)

CREATE = (
    Option("python", "which Python; the first that is found of several", "list", "SPEC", short="p", group="python"),
    Option("try-first-with", "an interpreter to try before any other", "list", "EXE", group="python"),
    Option("creator", "how the environment is made", metavar="NAME", group="components"),
    Option("seeder", "what puts the first packages into it", metavar="NAME", group="components"),
    Option("activators", "for which shells: names, `all` or `none`", "words", "a,b", group="components"),
    Option("clear", "replace the environment that is there", "flag", group="destination"),
    Option("force", "let --clear delete a directory that is no environment", "flag", group="destination"),
    Option("system-site-packages", "let it see the base interpreter's packages", "flag", group="environment"),
    Option(
        "prompt", "what an activated shell shows; `.` the current directory's name", metavar="TEXT", group="environment"
    ),
    Option("relocatable", "let it work wherever it is moved or copied to", "flag", group="environment"),
    Option("no-vcs-ignore", "do not tell version control to ignore it", "flag", group="environment"),
    Option("no-seed", "put no packages into it", "flag", group="seeds"),
    Option("pip", "which pip", metavar="VERSION", group="seeds"),
    Option("seed", "one more package to put into it", "list", "REQUIREMENT", group="seeds"),
    Option("download", "get the newest seeds from the index", "flag", group="seeds"),
    Option("no-download", "never use the network", "flag", negation="download", group="seeds"),
    Option("find-links", "a directory with wheels to prefer", "list", "DIR", group="seeds"),
    Option(
        "link-mode",
        "how seeds reach the environment from the cache",
        metavar="MODE",
        choices=("auto", "clone", "hardlink", "copy", "symlink"),
        group="seeds",
    ),
    Option("dry-run", "print the plan and change nothing", "flag", group="output", sources="argv"),
)


def _alias(
    name: str, meaning: str, metavar: str = "", *, of: str = "", implies: tuple[tuple[str, str], ...] = ()
) -> Option:
    """Return an option that is another tool's spelling; one with a metavar takes a value."""
    kind: Kind = "flag" if not metavar else "list" if of == "find-links" else "text"
    group = "spellings of virtualenv"
    return Option(name, meaning, kind, metavar, group=group, alias_of=of, implies=implies, hidden=True)


VIRTUALENV = (
    _alias("without-pip", "as --no-seed", implies=(("no-seed", "true"),)),
    _alias("copies", "as --creator copy", implies=(("creator", "copy"),)),
    _alias("always-copy", "as --creator copy", implies=(("creator", "copy"),)),
    _alias("symlinks", "as --creator symlink", implies=(("creator", "symlink"),)),
    _alias("extra-search-dir", "as --find-links", "DIR", of="find-links"),
    _alias("setuptools", "which setuptools to put into it", "VERSION"),
    _alias("wheel", "which wheel to put into it", "VERSION"),
    _alias("no-pip", "put no pip into it"),
    _alias("no-setuptools", "put no setuptools into it (as is the default)"),
    _alias("no-wheel", "put no wheel into it (as is the default)"),
    _alias("never-download", "as --no-download", implies=(("no-download", "true"),)),
    _alias("app-data", "as --cache-dir", "DIR", of="cache-dir"),
    _alias("read-only-app-data", "as --read-only-cache", implies=(("read-only-cache", "true"),)),
    _alias("symlink-app-data", "as --link-mode symlink", implies=(("link-mode", "symlink"),)),
    _alias("with-traceback", "as --traceback", implies=(("traceback", "true"),)),
    _alias("reset-app-data", "no effect: `cloche cache clear` empties the cache"),
    _alias("no-periodic-update", "no effect: nothing is ever updated in the background"),
    _alias("upgrade-embed-wheels", "no effect: no wheels are embedded"),
    _alias("discovery", "no effect: there is one discovery", "NAME"),
    _alias("venv-redirect", "no effect: redirect files are a plugin's affair"),
    _alias("no-venv-redirect", "no effect: redirect files are a plugin's affair"),
)

COMMON_ALIASES = tuple(
    alias
    for alias in VIRTUALENV
    for option in COMMON
    if option.name in (alias.alias_of, *(implied for implied, _ in alias.implies))
)
"""The spellings of virtualenv for common options. In variables and config files, every command understands them."""

INEFFECTIVE = frozenset(
    ("reset-app-data", "no-periodic-update", "upgrade-embed-wheels", "discovery", "venv-redirect", "no-venv-redirect")
)

COMMANDS = {
    command.name: command
    for command in (
        CommandSpec("create", "make an environment", "cloche.cli.create:create", CREATE + VIRTUALENV, "DEST", 1, 1),
        CommandSpec(
            "pythons",
            "every interpreter that can be found, and why others were passed over",
            "cloche.cli.pythons:pythons",
            (Option("all", "show every candidate that was passed over, and why", "flag", sources="argv"),),
            "[SPEC]",
            0,
            1,
            reads=CREATE,
        ),
        CommandSpec("info", "what an environment is, whoever made it", "cloche.cli.info:info", (), "ENV", 1, 1),
        CommandSpec(
            "doctor",
            "what is wrong with environments, whoever made them",
            "cloche.cli.doctor:doctor",
            (
                Option("fix", "mend what can be mended", "flag", sources="argv"),
                Option("find", "look for environments below a directory", "list", "DIR", sources="argv"),
            ),
            "ENV...",
            0,
            -1,
        ),
        CommandSpec(
            "move",
            "move an environment, and everything inside that knows where it was",
            "cloche.cli.move:move",
            (
                Option("copy", "leave the original where it is", "flag", sources="argv"),
                Option("dry-run", "print what would be done and change nothing", "flag", sources="argv"),
            ),
            "ENV DEST",
            2,
            2,
        ),
        CommandSpec(
            "upgrade",
            "bring an environment to another Python, with what is installed in it",
            "cloche.cli.upgrade:upgrade",
            (
                Option(
                    "python",
                    "which Python; the newest of its version if not said",
                    "list",
                    "SPEC",
                    short="p",
                    sources="argv",
                ),
                Option("seeds", "bring pip and the other seeds up to date", "flag", sources="argv"),
                Option("check", "change nothing; exit code 1 if something is to be done", "flag", sources="argv"),
                Option("dry-run", "do everything but put it in place", "flag", sources="argv"),
                Option("allow-loss", "go on without what cannot come along", "flag", sources="argv"),
            ),
            "ENV",
            1,
            1,
        ),
        CommandSpec(
            "run",
            "run a command as if an environment were active",
            "cloche.cli.run:run",
            (),
            "ENV",
            1,
            1,
            rest="CMD",
        ),
        CommandSpec(
            "activate",
            "the line that activates an environment in a shell",
            "cloche.cli.activate:activate",
            (
                Option("shell", "for which shell, if not for the one that runs this", metavar="NAME", sources="argv"),
                Option(
                    "print-env",
                    "print the variables that activation sets instead",
                    metavar="FORMAT",
                    choices=("json", "dotenv"),
                    sources="argv",
                ),
            ),
            "ENV",
            1,
            1,
        ),
        CommandSpec("plugins", "what is loaded, from where, what it gives, what failed", "cloche.cli.plugins:plugins"),
        CommandSpec(
            "cache",
            "look after the cache: dir, size, verify, prune, clear",
            "cloche.cli.cache:cache",
            (),
            "ACTION",
            1,
            1,
            choices=("dir", "size", "verify", "prune", "clear"),
        ),
        CommandSpec(
            "config",
            "every setting, its value, and where that comes from",
            "cloche.cli.config:config",
            (),
            "[show]",
            0,
            1,
            choices=("show",),
            reads=CREATE + VIRTUALENV,
        ),
        CommandSpec(
            "completion",
            "the script that completes `cloche` in a shell",
            "cloche.cli.completion:completion",
            (),
            "SHELL",
            1,
            -1,
            choices=("bash", "fish", "nushell", "powershell", "tcsh", "zsh"),
        ),
    )
}
"""Every command by name; `create` is the one that is meant if none is named."""
