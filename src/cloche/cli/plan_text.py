"""A plan as readable text, for `--dry-run` and `--verbose`."""

from __future__ import annotations

from cloche.cli.report import MAX_LISTED_PACKAGES, one_line
from cloche.errors import counted
from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Remove, Rewrite, Run, SetMode, Write
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.distribution import Image, StartupCode
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan


def plan_text(plan: Plan, packages: Iterable[str]) -> str:
    """Return a plan as readable text: the choices, then every operation.

    :param packages: its packages in words.
    """
    environment = plan.environment
    interpreter = environment.interpreter
    because = f" (from {one_line(plan.chosen_because)})" if plan.chosen_because else ""
    lines = [
        f"would be {plan.outcome}: {one_line(environment.location)}",
        f"python:     {interpreter.name if interpreter else '?'} at {interpreter.executable if interpreter else '?'}{because}",
        f"creator:    {plan.creator}",
        f"packages:   {', '.join(packages) or 'none'}",
        *package_lines(plan),
        *startup_lines(plan.images),
        f"activators: {', '.join(plan.activators) or 'none'}",
        f"prompt:     {one_line(environment.prompt)}",
        f"placement:  {environment.placement}",
        f"strategy:   {plan.strategy}",
        "operations:" if plan.operations else "operations: none",
    ]
    return "\n".join([*lines, *(f"  {operation_text(operation)}" for operation in plan.operations)])


def operation_text(operation: Operation) -> str:
    match operation:
        case MakeDir(path):
            return f"directory {path}"
        case Link(path, target):
            return f"link      {path} -> {target}"
        case Copy(path, source):
            return f"copy      {path} from {source}"
        case Write(path, content):
            return f"write     {one_line(path)} ({len(content)} bytes)"
        case Rewrite(path, content):
            return f"rewrite   {one_line(path)} ({len(content)} bytes)"
        case CopyTree(source, _, mode):
            return f"{'link' if mode == 'hardlink' else 'copy'} all  from {one_line(source)}"
        case InstallTree(path, source, _, files, size):
            return f"install   {path} from {source} ({counted(files, 'file')}, {size} bytes)"
        case Remove(path):
            return f"remove    {one_line(path)}"
        case SetMode(path, mode):
            return f"chmod     {one_line(path)} to {mode:o}"
        case Run(arguments, purpose):
            return f"run       {arguments[0]} to {purpose}"


def package_lines(plan: Plan) -> list[str]:
    """Return one line for each package that an update changes, or of a new environment with many packages."""
    if not plan.is_update:
        return [
            f"  + {image.distribution} {image.version}"
            for image in plan.images
            if len(plan.images) > MAX_LISTED_PACKAGES
        ]
    return [
        f"  - {change.distribution} {change.old}"
        if not change.new
        else f"  + {change.distribution} {change.new}"
        if not change.old
        else f"  ~ {change.distribution} {change.old} -> {change.new}"
        if change.old != change.new
        else f"  ~ {change.distribution} {change.new} (with other files)"
        for change in plan.changes
    ]


def startup_lines(images: Iterable[Image]) -> list[str]:
    """Return one line for each place in packages with code that runs whenever Python starts."""
    return [
        f"  runs at every start of Python: {image.distribution} {image.version}, {startup_place(code)}"
        for image in images
        for code in image.startup_code
    ]


def startup_place(code: StartupCode) -> str:
    """Return the file and the line of startup code, with its text."""
    text = code.text if len(code.text) <= 80 else f"{code.text[:80]}…"
    return one_line(f"{code.path} line {code.line}: {text}" if code.line else code.path)
