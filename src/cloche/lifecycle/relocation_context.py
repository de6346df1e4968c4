"""The context for replacing the embedded paths of an environment, with the scripts that cloche would write for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import ClocheError
from cloche.fs.inputs import UNRECORDED
from cloche.fs.manifests import MANIFEST
from cloche.lifecycle.embedded_paths import RelocationContext
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import replace
from cloche.planning.plan_at import collect_scripts, script_operation
from cloche.planning.resolve import choose_activators

if TYPE_CHECKING:
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.relocation import Relocation
    from cloche.model.environment import Environment
    from cloche.session import Session


def relocation_context(
    info: EnvironmentInfo, environment: Environment, relocation: Relocation, old_name: str, session: Session
) -> RelocationContext:
    """Return the context for replacing the embedded paths of an environment.

    :param environment: the environment at its new location; its prompt is ignored.
    :param old_name: the old name of its directory.
    """
    derived = info.environment.naming == "directory"
    name = os.path.basename(environment.location)
    moved = replace(environment, prompt=name if derived else info.environment.prompt)
    interpreter = environment.interpreter
    return RelocationContext(
        environment=moved,
        relocation=relocation,
        platform=interpreter.platform if interpreter else session.host.platform,
        shells=info.shells,
        generated=generated_scripts(info, moved, session),
        prompts=(old_name, name) if derived and old_name != name else None,
    )


def generated_scripts(info: EnvironmentInfo, environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the activation scripts that cloche would write for an environment, by path; none if cloche did not create it."""
    if not os.path.isfile(os.path.join(info.environment.location, MANIFEST)):
        return {}
    return activation_scripts(environment, session)


def activation_scripts(environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the scripts of all activators for an environment, by path; none if its interpreter is unknown."""
    if environment.interpreter is None:
        return {}
    try:
        interpreter = environment.interpreter
        chosen = choose_activators(EnvironmentSpec(), interpreter, session.registry, UNRECORDED)
        scripts, _, _ = collect_scripts(chosen, environment, interpreter)
    except ClocheError:
        return {}
    return {write.path: write.content for write in (script_operation(script, environment.layout) for script in scripts)}
