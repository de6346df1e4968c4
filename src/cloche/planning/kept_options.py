"""The options that an existing environment keeps if a run does not set them."""

from __future__ import annotations

import os

from cloche.model.plan import Request
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.pyvenv_cfg import (
    ADDED_KEY,
    PORTABLE_KEY,
    is_portable,
    is_relocatable,
    portable_options,
    sees_system_packages,
    settings_of_others,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Host


def with_options_from(settings: Mapping[str, str], request: Request, host: Host) -> Request:
    """Return a request with the options that the environment at its destination keeps.

    These options describe the environment as a whole: its prompt; whether it is relocatable, sees the packages of its base
    interpreter, has copies of its executables, contains its interpreter, or has a `.gitignore`; the options of the creator
    `portable`; and the settings of other programs in its `pyvenv.cfg`.

    :param settings: the settings in its `pyvenv.cfg`.
    """
    spec, target = request.spec, request.target
    python = os.path.join(target.destination, "bin", "python")
    is_free = spec.creator is None or is_default_creator(spec.creator)
    if is_portable(settings):
        if is_free and settings.get(PORTABLE_KEY) == "true":
            spec = replace(spec, creator="portable")
        if spec.creator == "portable":
            spec = replace(spec, options={**portable_options(settings), **spec.options})
    elif is_free and host.os_name == "posix" and os.path.isfile(python) and not os.path.islink(python):
        spec = replace(spec, creator="copy")
    if sees_system_packages(settings) and spec.creator != "portable":
        spec = replace(spec, site_packages="system")
    target = replace(
        target,
        prompt=settings.get("prompt") if target.prompt is None else target.prompt,
        placement="relocatable" if is_relocatable(settings) else target.placement,
        vcs_ignore=target.vcs_ignore and gets_gitignore(settings, target.destination),
        extra_settings={**settings_of_others(settings), **target.extra_settings},
    )
    return Request(spec, target)


def is_default_creator(name: str) -> bool:
    """Return whether a name leaves the choice of the creator to cloche."""
    from cloche.planning.resolve import DEFAULT_CREATORS  # few users name a creator

    return name in DEFAULT_CREATORS


def gets_gitignore(settings: Mapping[str, str], root: str) -> bool:
    """Return whether an existing environment has a `.gitignore` or should get one.

    It should not if cloche created it without one, unless that was only because of other files in its directory.
    """
    return "cloche" not in settings or ADDED_KEY in settings or os.path.lexists(os.path.join(root, ".gitignore"))
