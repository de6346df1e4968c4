"""Every command with its options, as data.

The parser, help, completion, variables, config files and the reference pages all read these tables.
"""

from __future__ import annotations

from cloche.model.options import PORTABLE_OPTIONS, Option
from cloche.model.value import Value
from cloche.plugins import load_object


class CommandSpec(Value):
    """A command and what it accepts."""

    name: str
    summary: str
    """What it does, as a lower-case fragment."""
    implementation: str
    """`"package.module:attribute"` of a function that takes an `Invocation` and returns an exit code."""
    own_options: tuple[Option, ...] = ()
    operands: str = ""
    """The operands, as help shows them: `DEST`, `[SPEC]`, `ENV...`."""
    min_operands: int = 0
    """The smallest number of operands."""
    max_operands: int = 0
    """The largest number of operands; -1 for any number."""
    rest: str = ""
    """The name of the words after `--`, which are passed on unchanged: `CMD`."""
    choices: tuple[str, ...] = ()
    """The allowed values of the first operand; empty for any."""
    inherits: str = ""
    """The command whose options it also reads from variables and config files."""
    aliases: str = ""
    """`"package.module:attribute"` of another tool's spellings, which are loaded when one is used."""
    ineffective: tuple[str, ...] = ()
    """Names of common options that it accepts like every command, but that change nothing; help does not show them."""

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that only this command has, including the aliases."""
        return self.own_options + load_object(self.aliases) if self.aliases else self.own_options

    @property
    def common_options(self) -> tuple[Option, ...]:
        """The common options that have an effect."""
        return tuple(option for option in COMMON if option.name not in self.ineffective)


COMMON = (
    Option("json", "print one JSON object with `schema_version` on standard output", "flag", group="output"),
    Option("quiet", "print less; `-qq` prints only errors", "count", short="q", group="output", sources="argv"),
    Option("verbose", "print more", "count", short="v", group="output", sources="argv"),
    Option("traceback", "show the traceback of an error", "flag", group="output"),
    Option("cache-dir", "the directory for cached seeds and interpreter data", metavar="DIR", group="cache"),
    Option("read-only-cache", "use the cache, but do not write to it", "flag", group="cache"),
    Option("no-plugin", "do not load the plugin or distribution of this name", "list", "NAME", group="plugins"),
    Option("no-plugins", "load only the built-in plugins", "flag", group="plugins"),
    Option("version", "print the version", "flag", group="output", sources="argv"),
    Option("help", "show this help", "flag", short="h", group="output", sources="argv"),
)

OF_CACHE, OF_PLUGINS = ("cache-dir", "read-only-cache"), ("no-plugin", "no-plugins")

NO_FINDER = Option("no-finder", "do not search for interpreters with this finder", "list", "NAME", group="python")

STARTUP_CODE = Option(
    "startup-code",
    "what to do with packages whose code runs whenever Python starts: `allow`, `list` or `refuse`, or the names to allow",
    "list",
    "POLICY",
    group="seeds",
)

CREATE = (
    Option("python", "the Python to use: the first SPEC that has a match", "list", "SPEC", short="p", group="python"),
    Option("try-first-with", "an interpreter to try first", "list", "EXE", group="python"),
    NO_FINDER,
    Option("creator", "how to create the environment", metavar="NAME", group="components"),
    Option("seeder", "how to install the initial packages", metavar="NAME", group="components"),
    Option(
        "activators",
        "shells to create activation scripts for: names, `all` or `none`",
        "words",
        "a,b",
        group="components",
    ),
    Option("clear", "replace an existing environment, but no other files", "flag", group="destination"),
    Option(
        "force",
        "let --clear replace everything in the directory, unless it holds a project",
        "flag",
        group="destination",
    ),
    Option("system-site-packages", "give access to the packages of the base interpreter", "flag", group="environment"),
    Option(
        "prompt",
        "the prompt of an activated shell; `.` for the name of the current directory",
        metavar="TEXT",
        group="environment",
    ),
    Option("relocatable", "make it work from any directory, even after a move or copy", "flag", group="environment"),
    Option("no-vcs-ignore", "do not create a `.gitignore` file in it", "flag", group="environment"),
    Option("lock", "a lock file: install exactly its packages", metavar="FILE", group="locked packages"),
    Option("extra", "an extra of the lock file to install", "list", "NAME", group="locked packages"),
    Option("group", "a dependency group of the lock file to install", "list", "NAME", group="locked packages"),
    Option("no-default-groups", "do not install the default groups of the lock file", "flag", group="locked packages"),
    Option("only-binary", "refuse to build packages of the lock file from source", "flag", group="locked packages"),
    Option(
        "keep-extra",
        "keep installed packages that the lock file does not name",
        "flag",
        group="locked packages",
    ),
    Option("no-seed", "do not install any packages", "flag", group="seeds"),
    Option("pip", "the version of pip to install", metavar="VERSION", group="seeds"),
    Option("seed", "an additional package to install", "list", "REQUIREMENT", group="seeds"),
    Option("no-deps", "do not install what the seeds depend on", "flag", group="seeds"),
    Option("download", "download the newest seeds from the index", "flag", group="seeds"),
    Option("no-download", "never use the network", "flag", negation="download", group="seeds"),
    Option("compile", "compile packages to bytecode now, instead of at their next installation", "flag", group="seeds"),
    Option("no-compile", "never compile packages to bytecode", "flag", negation="compile", group="seeds"),
    Option("find-links", "a directory of wheels to prefer", "list", "DIR", group="seeds"),
    STARTUP_CODE,
    Option(
        "link-mode",
        "how to install seeds from the cache",
        metavar="MODE",
        choices=("auto", "clone", "hardlink", "copy", "symlink"),
        group="seeds",
    ),
    *PORTABLE_OPTIONS,
    Option("dry-run", "print the plan, but change nothing", "flag", group="output", sources="argv"),
)

COMMANDS = {
    command.name: command
    for command in (
        CommandSpec(
            "create",
            "create an environment",
            "cloche.cli.create:create",
            CREATE,
            "[DEST]",
            0,
            1,
            aliases="cloche.cli.virtualenv_options:VIRTUALENV",
        ),
        CommandSpec(
            "pythons",
            "list the interpreters that can be found, and why others are not used",
            "cloche.cli.pythons:pythons",
            (Option("all", "also list the candidates that are not used, and why", "flag", sources="argv"), NO_FINDER),
            "[SPEC]",
            0,
            1,
            inherits="create",
        ),
        CommandSpec(
            "info",
            "describe an environment, whichever tool created it",
            "cloche.cli.info:info",
            (
                Option(
                    "format",
                    "print a bill of materials in this format instead",
                    metavar="FORMAT",
                    choices=("cyclonedx",),
                    sources="argv",
                ),
            ),
            "[ENV]",
            0,
            1,
        ),
        CommandSpec(
            "doctor",
            "find problems in environments, whichever tool created them",
            "cloche.cli.doctor:doctor",
            (
                Option("fix", "repair what can be repaired", "flag", sources="argv"),
                Option("find", "search a directory for environments", "list", "DIR", sources="argv"),
                STARTUP_CODE,
            ),
            "[ENV...]",
            0,
            -1,
        ),
        CommandSpec(
            "verify",
            "check that every file has the content it was installed with",
            "cloche.cli.verify:verify",
            (),
            "[ENV]",
            0,
            1,
        ),
        CommandSpec(
            "move",
            "move an environment, and update the paths inside it",
            "cloche.cli.move:move",
            (
                Option("copy", "keep the original", "flag", sources="argv"),
                Option("dry-run", "print what would be done, but change nothing", "flag", sources="argv"),
            ),
            "ENV DEST",
            2,
            2,
        ),
        CommandSpec(
            "upgrade",
            "switch environments to another Python, and keep what is installed in them",
            "cloche.cli.upgrade:upgrade",
            (
                Option(
                    "python",
                    "the Python to use; by default the newest of the same version",
                    "list",
                    "SPEC",
                    short="p",
                    sources="argv",
                ),
                Option("find", "search a directory for environments", "list", "DIR", sources="argv"),
                Option("from", "of these, only those of this Python", metavar="SPEC", sources="argv"),
                Option("seeds", "update pip and the other seeds", "flag", sources="argv"),
                Option("check", "change nothing; exit with 1 if an upgrade is due", "flag", sources="argv"),
                Option("dry-run", "try the upgrade, but do not change the environment", "flag", sources="argv"),
                Option("allow-loss", "continue without packages that cannot be carried over", "flag", sources="argv"),
                STARTUP_CODE,
            ),
            "[ENV...]",
            0,
            -1,
        ),
        CommandSpec(
            "pack",
            "write an environment as one file that runs elsewhere",
            "cloche.cli.pack:pack",
            (
                Option("output", "the file to write", metavar="FILE", short="o", sources="argv"),
                Option(
                    "format", "the format; by default, the suffix of the file decides", metavar="NAME", sources="argv"
                ),
                Option("prefix", "put everything into a directory of this name", metavar="NAME", sources="argv"),
                Option("exclude", "leave out the names and paths that match", "list", "GLOB", sources="argv"),
                Option("force", "replace an existing file", "flag", sources="argv"),
                Option("follow", "replace links and editable installs with their targets", "flag", sources="argv"),
                Option(
                    "with-base-outside", "allow an environment that needs a Python outside it", "flag", sources="argv"
                ),
            ),
            "[ENV]",
            0,
            1,
        ),
        CommandSpec(
            "unpack",
            "put a packed environment in place, and verify it",
            "cloche.cli.unpack:unpack",
            (STARTUP_CODE,),
            "FILE DEST",
            2,
            2,
        ),
        CommandSpec(
            "run",
            "run a command as if an environment were active",
            "cloche.cli.run:run",
            (),
            "[ENV]",
            0,
            1,
            rest="CMD",
            ineffective=OF_PLUGINS,
        ),
        CommandSpec(
            "activate",
            "print the command that activates an environment in a shell",
            "cloche.cli.activate:activate",
            (
                Option("shell", "the shell; by default the current one", metavar="NAME", sources="argv"),
                Option(
                    "print-env",
                    "print the variables that activation sets instead",
                    metavar="FORMAT",
                    choices=("json", "dotenv"),
                    sources="argv",
                ),
            ),
            "[ENV]",
            0,
            1,
        ),
        CommandSpec(
            "plugins",
            "list the plugins, what they offer, and which of them failed; or write a new one",
            "cloche.cli.plugins:plugins",
            (),
            "[new KIND [DIR]]",
            0,
            3,
            choices=("new",),
        ),
        CommandSpec(
            "cache",
            "manage the cache: dir, size, verify, prune, clear",
            "cloche.cli.cache:cache",
            (),
            "ACTION",
            1,
            1,
            choices=("dir", "size", "verify", "prune", "clear"),
            ineffective=OF_PLUGINS,
        ),
        CommandSpec(
            "config",
            "show the settings, or change your config file: show, get, set, unset, path",
            "cloche.cli.config:config",
            (),
            "[ACTION [NAME [VALUE...]]]",
            0,
            -1,
            choices=("show", "get", "set", "unset", "path"),
            inherits="create",
        ),
        CommandSpec(
            "completion",
            "print the completion script for a shell: bash, fish, nushell, powershell, tcsh, zsh",
            "cloche.cli.completion:completion",
            (),
            "SHELL",
            1,
            -1,
            choices=("bash", "fish", "nushell", "powershell", "tcsh", "zsh"),
            ineffective=("json", *OF_CACHE, *OF_PLUGINS),
        ),
        CommandSpec(
            "help",
            "show the help of a command",
            "cloche.cli.help:show_help",
            (),
            "[COMMAND]",
            0,
            1,
            ineffective=("json", *OF_CACHE),
        ),
    )
}
"""Every command by name; `create` is the default."""
