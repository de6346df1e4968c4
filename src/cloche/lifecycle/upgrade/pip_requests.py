"""What an upgrade to another Python asks pip for: wheels, and installations into the new environment."""

from __future__ import annotations

import os
from threading import Event
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, SeedError, counted
from cloche.lifecycle.installed import pip_arguments
from cloche.lifecycle.upgrade.inventory import Loss, item_of
from cloche.model.plan import Wanted
from cloche.store.compiling import available_processors
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.pip import command_of_pip, run_pip
from cloche.store.runnable_pip import runnable_pip
from cloche.store.staging import scratch_directory
from cloche.store.tags import incompatibility
from cloche.store.worker_threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.upgrade.losses import Losses
    from cloche.model.aliases import Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Plan
    from cloche.session import Session
    from cloche.store import Store


def images_from_pip(
    wanted: Sequence[InstalledDistribution],
    interpreter: Interpreter,
    session: Session,
    *,
    losses: Losses,
    policy: Compile,
    find_links: Sequence[str],
) -> tuple[list[tuple[InstalledDistribution, Image]], list[Loss]]:
    """Return the images of the wheels that pip downloads or builds for an interpreter, and what it cannot provide.

    Editable installs, and wheels that the store does not accept, have no image.

    :raises ClocheError: pip cannot provide all of them, and losses are not allowed.
    """
    from_wheels = [distribution for distribution in wanted if not distribution.editable]
    if not from_wheels:
        return [], []
    try:
        pip = runnable_pip(interpreter, Wanted(), session.store)
    except SeedError:
        return [], []  # the pip of the environment, which is older, installs them
    session.progress(f"asking pip for {counted(len(from_wheels), 'package')} for {interpreter.name}")
    with scratch_directory(session.store.staging) as directory:

        def ask(some: Sequence[InstalledDistribution]) -> str:
            return provide_wheels(some, directory, [interpreter.executable, "-I", "-B", pip], session, find_links)

        lost = in_one_call_or_several(from_wheels, ask, losses=losses)
        images = images_of_wheels(directory, interpreter, session.store, policy)
    return [
        (distribution, image)
        for distribution in from_wheels
        if (image := images.get(distribution.key)) and image.version == distribution.version
    ], lost


def in_one_call_or_several(
    wanted: Sequence[InstalledDistribution],
    ask: Callable[[Sequence[InstalledDistribution]], str],
    *,
    losses: Losses,
) -> list[Loss]:
    """Ask pip for all distributions in one call; if that fails and losses are allowed, for each one. Return the losses.

    :param ask: asks pip, and returns its error message.
    :raises ClocheError: pip failed, and losses are not allowed.
    """
    if not wanted or not (error := ask(wanted)):
        return []
    if losses == "refused":
        names = ", ".join(f"{distribution.key} {distribution.version}" for distribution in wanted)
        raise ClocheError(
            f"pip cannot install all of {names}: {error}",
            hint="`--allow-loss` continues without what is not available; nothing was changed",
        )
    reasons = ((distribution, ask([distribution])) for distribution in wanted)
    return [Loss(item_of(distribution), f"pip: {reason}") for distribution, reason in reasons if reason]


def provide_wheels(
    wanted: Iterable[InstalledDistribution],
    directory: str,
    pip: Sequence[str],
    session: Session,
    find_links: Sequence[str],
) -> str:
    """Let pip write wheels of exactly these distributions into a directory; return its error message, empty on success."""
    store = session.store
    arguments = ["wheel", "--no-deps", f"--wheel-dir={directory}"]
    arguments += [f"--find-links={links}" for links in (*find_links, *store.readable_directories("wheels"))]
    arguments += [word for distribution in wanted for word in pip_arguments(distribution)]
    with scratch_directory(session.store.staging) as work:
        return run_pip(pip, arguments, session.host, work, timeout=None, section="install").problem


def images_of_wheels(directory: str, interpreter: Interpreter, store: Store, policy: Compile) -> dict[str, Image]:
    """Return the images of the wheels in a directory that the store accepts, by the name of the distribution."""

    def build(name: str) -> Image | None:
        try:
            distribution = read_wheel(os.path.join(directory, name))
            return (
                None
                if incompatibility(distribution, interpreter)
                else find_or_build_image(distribution, interpreter, store, policy=policy)
            )
        except SeedError:
            return None

    names = sorted(
        (name for name in os.listdir(directory) if name.endswith(".whl")), key=lambda name: -file_size(directory, name)
    )
    built = in_threads(build, names, Event(), available_processors())
    return {image.distribution: image for image in built if image is not None}


def file_size(directory: str, name: str) -> int:
    return os.path.getsize(os.path.join(directory, name))


def install_with_pip(
    wanted: Sequence[InstalledDistribution],
    staged: str,
    plan: Plan,
    session: Session,
    *,
    losses: Losses,
    find_links: Sequence[str],
) -> list[Loss]:
    """Install exactly these distributions into a staged environment with pip, and return the losses.

    :raises ClocheError: pip failed, and losses are not allowed.
    """

    def install(some: Sequence[InstalledDistribution]) -> str:
        words = [word for item in some for word in pip_arguments(item)]
        return run_installation(words, staged, plan, session, find_links)

    return in_one_call_or_several(wanted, install, losses=losses)


def run_installation(
    requirements: Sequence[str], staged: str, plan: Plan, session: Session, find_links: Sequence[str]
) -> str:
    """Run `pip install` for a staged environment; return its error message, empty if it succeeded.

    The environment's own pip is used if it has one, else one from the store that supports its Python.
    """
    layout, host = plan.environment.layout, session.host
    python = os.path.join(staged, *layout.executable.split("/"))
    own = os.path.join(staged, *layout.purelib.split("/"), "pip")
    interpreter = plan.environment.interpreter
    assert interpreter is not None
    try:
        pip = "" if os.path.isdir(own) else runnable_pip(interpreter, Wanted(), session.store)
    except SeedError as error:
        return error.message
    command = command_of_pip(python, interpreter.version, pip)
    arguments = ["install", "--no-deps", "--no-compile", "--no-warn-script-location", "--ignore-installed"]
    directories = (*find_links, *session.store.readable_directories("wheels"))
    arguments += [f"--find-links={directory}" for directory in directories]
    with scratch_directory(session.store.staging) as directory:
        return run_pip(command, [*arguments, *requirements], host, directory, timeout=None).problem
