"""Perform a plan: the only sequence of effects, and where a failing system call becomes an error for people."""

from __future__ import annotations

import os
from time import perf_counter

from cloche.apply.executor import perform as perform_operations
from cloche.apply.transaction import DestinationChanged, Transaction
from cloche.errors import ClocheError, DestinationError, reason_of
from cloche.model.plan import Result
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.model.plan import Plan


def carry_out(make_plan: Callable[[], Plan], location: str) -> Result:
    """Plan and perform, at the path `location`; where something stands already, with other runs kept away meanwhile.

    `make_plan` is called again if the destination turns out to be another than it planned for.

    :raises DestinationError: as the plan says, and if the system refuses the destination.
    :raises ClocheError: the system refused something else; the destination is as it was.
    """
    try:
        plan = make_plan()
    except DestinationError:
        from cloche.apply.staging import take_back

        if not take_back(os.path.realpath(location)):  # then it was not a run that was killed that left it like this
            raise
        plan = make_plan()
    if plan.strategy == "new":
        try:
            return perform(plan)
        except DestinationChanged:
            pass
    from cloche.apply.staging import take_back
    from cloche.fs.locks import DirectoryLock

    with DirectoryLock(plan.target):
        take_back(plan.target)  # lest what a killed run has half done be planned for
        try:
            return perform(make_plan())
        except DestinationChanged:
            raise ClocheError(
                f"`{plan.environment.location}` keeps changing while the environment is made",
                hint="see what else works there, and try again",
            ) from None


def perform(plan: Plan) -> Result:
    """Perform a plan, all or nothing.

    :raises DestinationChanged: the destination is no longer what the plan was made for; nothing was done.
    :raises ClocheError: see `carry_out`.
    """
    started = perf_counter()
    with Transaction(plan.target, plan.strategy) as transaction:
        try:
            with transaction.disturbed():
                perform_operations(plan.operations, transaction.ground, plan.link_mode)
            transaction.commit()
        except OSError as error:
            raise failure(plan, error) from error
    return Result(environment=plan.environment, plan=plan, seconds=perf_counter() - started)


def failure(plan: Plan, error: OSError) -> ClocheError:
    """Return what a failing system call means: which file, in the place where it was to be, and why not."""
    reason = reason_of(error)
    name = error.filename2 or error.filename
    shown = f" (`{name}`)" if isinstance(name, str) else ""
    return ClocheError(
        f"cannot make `{plan.environment.location}`: {reason}{shown}",
        hint="nothing was changed; try again when it is mended",
    )
