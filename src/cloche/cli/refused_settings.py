"""What the next run would refuse about a config file, so that `cloche config set` refuses it before it is written.

Only what the values themselves show is judged, not what exists on this machine: a Python or a lock file may come later.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from cloche.cli.create import build_request
from cloche.cli.parser import parse_arguments
from cloche.cli.precedence import resolve_settings
from cloche.cli.settings import SettingSource, Sources, plugin_blocklist
from cloche.errors import ClocheError
from cloche.model.spec import InterpreterSpec
from cloche.planning.plan_at import refuse_links_to_cache
from cloche.planning.pyvenv_cfg import format_settings
from cloche.planning.resolve import DEFAULT_CREATORS, refuse_base_packages, refuse_other_seeder
from cloche.plugins.registry import load_plugins
from cloche.store.requirements import parse_requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.model.plan import EnvironmentSpec, Target
    from cloche.plugins.registry import Registry


class ConfigFile:
    """The user's config file while one of its keys is set."""

    def __init__(self, path: str, host: Host, plugin_options: tuple[Option, ...], blocklist: frozenset[str]) -> None:
        self.path = path
        self.host = host
        self.plugin_options = plugin_options
        self.blocklist = blocklist
        """The names of the plugins that are left out now, so that none of their code runs."""
        self.warnings: list[str] = []
        """The warnings of the next run about the new value."""

    def refuse(self, key: str, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Refuse a new value if the next run would refuse it, by itself or beside the other keys.

        Something that is refused already does not matter: the user may be correcting one value after the other.

        :param key: the changed key, as the file spells it.
        :raises ClocheError: the error of that run.
        """
        self.warnings = self.judge({key: after[key]})
        known = ""
        try:
            self.judge(before)
        except ClocheError as error:
            known = error.message
        try:
            self.judge(after)
        except ClocheError as error:
            if error.message != known:
                raise

    def judge(self, table: Mapping[str, object]) -> list[str]:
        """Raise the error of `cloche create` with these keys alone; return its warnings about names of plugins.

        :raises ClocheError: a value is invalid, or two of them contradict each other.
        """
        sources = Sources((SettingSource(self.path, table),))
        settings = resolve_settings(parse_arguments(()), sources, self.plugin_options)
        settings.check()
        request = build_request(os.path.join(os.path.dirname(os.path.abspath(self.path)), ".venv"), settings, self.host)
        judge_spec(request.spec)
        judge_target(request.target, request.spec)
        blocked, replacements = plugin_blocklist(settings, self.host), settings.replacements
        spec = request.spec
        if not (blocked or replacements or spec.creator or spec.seeder or spec.activators or spec.no_finders):
            return []
        with redirect_stdout(sys.stderr):  # standard output may be for JSON
            registry = load_plugins(sys.path, blocked | self.blocklist, replacements)
        judge_components(spec, registry)
        return registry.name_warnings


def judge_spec(spec: EnvironmentSpec) -> None:
    """Raise the error of a run that uses these Pythons and seeds.

    :raises UsageError: a request or a requirement is not valid, or two choices contradict each other.
    """
    for text in spec.pythons:
        InterpreterSpec.parse(text)
    if spec.wanted is not None:
        parse_requirements(spec.wanted.requirements)
    refuse_other_seeder(spec)
    if spec.creator == "portable":
        refuse_base_packages(spec, spec.creator)


def judge_target(target: Target, spec: EnvironmentSpec) -> None:
    """Raise the error of a run that creates an environment with these properties.

    :raises UsageError: `pyvenv.cfg` cannot record the prompt, or the link mode does not suit the creator.
    """
    if target.prompt is not None:
        format_settings({"prompt": target.prompt})
    if spec.creator == "portable":
        refuse_links_to_cache(target)


def judge_components(spec: EnvironmentSpec, registry: Registry) -> None:
    """Raise the error of a run that uses these components.

    :raises UsageError: one of them does not exist.
    :raises PluginError: the plugin that may offer it failed.
    """
    if spec.creator is not None and spec.creator not in DEFAULT_CREATORS:
        registry.find("creator", spec.creator)
    if spec.seeder is not None:
        registry.find("seeder", spec.seeder)
    for name in spec.activators or ():
        registry.find("activator", name)
    registry.finders(spec.no_finders)
