"""`cloche info ENV`."""

from __future__ import annotations

from cloche.cli import report
from cloche.cli.sources import resolve, session_of
from cloche.cli.vocabulary import COMMON
from cloche.destination import read_settings
from cloche.lifecycle.reading import read
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.cli.parser import Words
    from cloche.model import Host


def info(words: Words, host: Host, argv: Sequence[str], started: float) -> int:
    settings = resolve(words, host, COMMON)
    with session_of(settings, host) as session:
        environment = read(words.operands[0], host, session.probes)
        report.warn((*settings.warnings, *session.warnings))
    recorded = read_settings(environment.location)
    if settings.flag("json"):
        report.print_json(environment=report.environment_json(environment), config=recorded)
        return 0
    interpreter = environment.interpreter
    base = f"{interpreter.name} at {interpreter.executable}" if interpreter else f"gone from {recorded['home']}"
    maker = next((f"{name} {recorded[name]}" for name in ("cloche", "virtualenv", "uv") if recorded.get(name)), "venv")
    for title, text in (
        ("environment", environment.location),
        ("made by", maker),
        ("base", base),
        ("packages in", environment.place(environment.layout.purelib)),
        ("sees base's packages", recorded.get("include-system-site-packages", "false")),
        ("prompt", environment.prompt),
    ):
        report.tell(f"{title + ':':22}{report.one_line(text)}")
    return 0
