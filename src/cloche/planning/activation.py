"""The activation scripts of an environment, as the plugins of a blueprint write them.

Activators are asked on every run, because a script may depend on the destination.
"""

from __future__ import annotations

from cloche.errors import ClocheError, Inexpressible, PluginError, UsageError
from cloche.model.environment import Script
from cloche.model.operations import Write
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins.guard import call_component, load_object, omission_warning, refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import ChosenComponent
    from cloche.plugins.hookspecs import Activator


def collect_scripts(
    activators: Iterable[ChosenComponent], environment: Environment, interpreter: Interpreter
) -> tuple[list[Script], list[str], list[str]]:
    """Return the activation scripts, the names of the activators that wrote them, and why others were left out.

    An activator that the user did not choose and that does not support the interpreter is left out silently.

    :raises UsageError: an activator that the user chose does not support the interpreter.
    :raises Inexpressible: an activator that the user chose cannot express a value.
    :raises PluginError: an activator that the user chose failed, or two activators write the same file.
    """
    scripts: dict[str, tuple[Script, ChosenComponent]] = {}
    names: list[str] = []
    left_out: list[str] = []
    for activator in activators:
        try:
            own_scripts = scripts_from(activator, environment, interpreter)
        except ClocheError as error:
            if activator.selected == "by name":
                raise
            if isinstance(error, Inexpressible):
                left_out.append(f"activator `{activator.name}` was left out: {error.message}")
            else:
                left_out.append(omission_warning(activator.name, activator.source, error))
            continue
        if own_scripts is None:
            continue
        for script in own_scripts:
            key = script.name.lower() if environment.os_name == "nt" else script.name
            _, other = scripts.setdefault(key, (script, activator))
            if other is not activator:
                raise PluginError(
                    f"activators `{other.name}` (plugin {other.source}) and `{activator.name}` "
                    f"(plugin {activator.source}) both write `{script.name}`",
                    hint="choose one of them with `--activators`",
                )
        names.append(activator.name)
    return [script for script, _ in scripts.values()], names, left_out


def scripts_from(component: ChosenComponent, environment: Environment, interpreter: Interpreter) -> list[Script] | None:
    """Return the scripts of one activator; None if it does not support the interpreter and the user did not choose it.

    :raises UsageError: the user chose it, and it does not support the interpreter.
    :raises Inexpressible: it cannot express a value, or a script contains text that is not valid Unicode.
    :raises PluginError: it failed, or returned something other than scripts.
    """
    origin = ("activator", component.name, component.source)
    item = component.item
    activator: Activator = call_component(lambda: load_object(item) if isinstance(item, str) else item, *origin)
    if refusal := refusal_of(activator, interpreter, *origin):
        if component.selected == "by name":
            raise UsageError(
                f"activator `{component.name}` does not support {interpreter.name}: {refusal}",
                hint="leave it out of `--activators`",
            )
        return None
    with_options = replace(environment, options=component.options) if component.options else environment
    return call_component(lambda: check_scripts(activator.scripts(with_options), environment.layout), *origin)


def check_scripts(scripts: Any, layout: Layout) -> list[Script]:
    """Return the scripts that an activator returned, as a list.

    :raises TypeError: it returned something other than scripts.
    :raises ValueError: the name of a script is a path, is not a valid file name, or is a name of the Python.
    :raises Inexpressible: the text of a script cannot be encoded as UTF-8.
    """
    if isinstance(scripts, str) or not hasattr(scripts, "__iter__"):
        raise TypeError(f"`scripts` returned {scripts!r}: expected a list of `cloche.Script`")
    checked: list[Script] = []
    for script in scripts:
        if type(script) is not Script:
            raise TypeError(f"`scripts` returned {script!r}: expected a `cloche.Script`")
        if (
            script.name in ("", ".", "..", *layout.names)
            or any(character in script.name for character in "/\\:")
            or not script.name.isprintable()  # the manifest has one line for each file
            or len(script.name.encode("utf-8")) > 255
        ):
            raise ValueError(f"`{script.name}` cannot be the name of a script")
        try:
            script_operation(script, layout)
        except UnicodeEncodeError:
            raise Inexpressible("an activation script is UTF-8 and cannot contain a name that is not Unicode") from None
        checked.append(script)
    return checked


def script_operation(script: Script, layout: Layout) -> Write:
    """Return the operation that writes a script.

    :raises UnicodeEncodeError: its text cannot be encoded as UTF-8.
    """
    text = script.text if script.newline == "\n" else script.text.replace("\n", script.newline)
    mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
    return Write(f"{layout.bin}/{script.name}", mark + text.encode("utf-8"))
