"""Every command with its options, as data.

Help, completion, variables, config files, the reference pages and, for most command lines, the parser read this table.
"""

from __future__ import annotations

from cloche.cli.command_spec import CREATE, NO_FINDER, STARTUP_CODE, CommandSpec
from cloche.model.options import Option

OF_CACHE, OF_PLUGINS = ("cache-dir", "read-only-cache"), ("no-plugin", "no-plugins")

COMMANDS = {
    command.name: command
    for command in (
        CREATE,
        CommandSpec(
            "pythons",
            "list the interpreters that can be found",
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
                    "instead, print a bill of materials in this format",
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
                    "the Python to use; by default, the newest patch release of the same minor version",
                    "list",
                    "SPEC",
                    short="p",
                    sources="argv",
                ),
                Option("find", "search a directory for environments", "list", "DIR", sources="argv"),
                Option("from", "upgrade only environments that use this Python", metavar="SPEC", sources="argv"),
                Option("seeds", "update pip and the other seeds", "flag", sources="argv"),
                Option(
                    "check", "do not change the environment; exit with 1 if an upgrade is due", "flag", sources="argv"
                ),
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
            "pack an environment into one file, to unpack on another machine",
            "cloche.cli.pack:pack",
            (
                Option("output", "the file to write", metavar="FILE", short="o", sources="argv"),
                Option(
                    "format", "the format; by default, the suffix of the file decides", metavar="NAME", sources="argv"
                ),
                Option("prefix", "put everything into a directory of this name", metavar="NAME", sources="argv"),
                Option(
                    "exclude",
                    "leave out files and directories whose name or path matches",
                    "list",
                    "GLOB",
                    sources="argv",
                ),
                Option("force", "replace an existing file", "flag", sources="argv"),
                Option("follow", "replace links and editable installs with their targets", "flag", sources="argv"),
                Option(
                    "with-base-outside", "allow an environment that needs a Python outside it", "flag", sources="argv"
                ),
            ),
            "[ENV]",
            0,
            1,
            required="-o FILE",
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
                    "instead, print the variables that activation sets",
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
            ineffective=OF_CACHE,
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
            takes_text=True,
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
            takes_text=True,
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
