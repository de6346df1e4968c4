"""Replace the seeds of an environment that exists."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.recorded_command import recorded_link_mode, seeds_like
from cloche.lifecycle.resolving import seed_images
from cloche.model.operations import InstallTree, MakeDir, Write
from cloche.store.installation import image_operations
from cloche.store.links import record_links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloche.fs.locks import Identity
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.overlay import Overlay
    from cloche.model.aliases import StartupRule
    from cloche.session import Session


def reinstall_seeds(
    overlay: Overlay,
    info: EnvironmentInfo,
    requirements: tuple[str, ...],
    rule: StartupRule,
    session: Session,
    remnants: Iterable[str] = (),
) -> list[str]:
    """Replace installed seeds with new ones; return these as `NAME VERSION`. If a seed is not available, edit nothing.

    :param rule: what happens to those with startup code.
    :param remnants: paths to remove that belong to these seeds, but to no installed distribution.
    :raises SeedError: a seed is not available, or has startup code that is refused.
    """
    environment = info.environment
    assert environment.interpreter is not None
    images = seed_images(seeds_like(info.settings, requirements), environment.interpreter, session, rule)
    wanted = {image.distribution for image in images}
    for path in remnants:
        overlay.remove(path)
    for distribution in info.distributions:
        if distribution.key in wanted:
            for row in distribution.rows:
                if not row.path.startswith(("/", "../")):
                    overlay.remove(row.path)
            overlay.remove(distribution.metadata)
    for image in images:
        for site in site_directories(environment.layout):
            if os.path.isdir(overlay.on_disk(f"{site}/{image.distribution}")):
                overlay.remove(f"{site}/{image.distribution}")
        for operation in image_operations(image, environment):
            if isinstance(operation, Write):
                overlay.write(operation.path, operation.content, executable=operation.is_executable)
            elif isinstance(operation, (InstallTree, MakeDir)):
                overlay.add([operation])
    return [f"{image.distribution} {image.version}" for image in images]


def apply_overlay(
    overlay: Overlay, verify: Callable[[], None], info: EnvironmentInfo, session: Session, expected: Identity | None
) -> None:
    """Apply an overlay. The seeds that it installs get their files as they did when the environment was created.

    :param verify: checks the result; any exception that it raises reverts the changes.
    :param expected: the identity of the environment's directory when it was read.
    :raises ClocheError: an operation failed, or `verify` raised it; the environment is unchanged.
    """
    sources = [operation.source for operation in overlay.operations if isinstance(operation, InstallTree)]
    link_mode = session.link_mode(recorded_link_mode(info.settings), sources) if sources else "auto"
    session.warn(overlay.apply(verify, link_mode, expected))
    if link_mode == "symlink":
        record_links(session.store, info.environment.location)
