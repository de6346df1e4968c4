"""What an activator promises: quoting that nothing escapes from, scripts that activate and leave no trace.

What can be said without running anything is said here; the shell itself is asked in `cloche.testing.shells`.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import Inexpressible
from cloche.model.environment import Script
from cloche.shells.template import SLOT_PREFIX
from cloche.shells.words import Word
from cloche.testing.checks import (
    Broken,
    Check,
    as_test,
    broken,
    call_twice,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
)
from cloche.testing.fakes import KINDS
from cloche.testing.hostile import HOSTILE, PLAIN, absolute_path, directory_name, environment_of, supported_kinds
from cloche.testing.shells import shell_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.model.environment import Environment
    from cloche.plugins.hookspecs import Activator
    from cloche.testing.checks import Test
    from cloche.testing.shells import Shell


def activator_contract(
    activator: Activator, shell: Shell | None = None, *, templates: Iterable[str] | None = None
) -> Test:
    """Return a test of everything that an activator promises.

    :param activator: the object itself.
    :param shell: how to run its shell; without it, or where it is not installed, nothing is run.
    :param templates: texts with slots; by default every file with slots that lies beside the activator's module.
    """
    return as_test(activator_checks(activator, shell, templates=templates))


def activator_checks(
    activator: Activator, shell: Shell | None = None, *, templates: Iterable[str] | None = None
) -> list[Check]:
    """Return the promises one by one; see `activator_contract`."""
    texts = template_files(activator) if templates is None else {f"template {n}": t for n, t in enumerate(templates, 1)}
    checks = [
        Check("name", lambda _: check_named(activator)),
        Check("documentation", lambda _: check_documented("activator", activator)),
        Check("serves-something", lambda _: check_serves(activator)),
        Check("slots-stand-bare", lambda _: check_slots(texts)),
        Check("relocatable", lambda _: check_relocatable(activator)),
        Check("slot-like-names", lambda _: check_slot_like(activator)),
        Check("plain-texts", lambda _: check_plain(activator)),
    ]
    if hasattr(activator, "source_line"):
        checks.append(Check("source-line", lambda _: check_source_line(activator)))
    if hasattr(activator, "shells"):
        checks.append(Check("shells", lambda _: check_texts("shells", activator.shells)))
    if hasattr(activator, "script_names"):
        checks.append(Check("script-names", lambda _: check_script_names(activator, activator.script_names)))
    if hasattr(activator, "read_words"):
        checks.append(Check("read-words", lambda _: check_read_words(activator, activator.read_words)))
    for kind in KINDS:
        checks.append(Check(f"refusal-{kind}", partial(check_refusal, activator, kind)))
        checks.append(Check(f"scripts-{kind}", partial(check_scripts, activator, kind)))
    checks += [Check(f"writes-or-refuses-{name}", partial(check_hostile, activator, name)) for name in HOSTILE]
    return checks + (shell_checks(activator, shell) if shell is not None else [])


# What can be said without a shell


def check_named(activator: Activator) -> None:
    """It has a name that can be typed after `--activators`, and everything that the core will call."""
    check_name("activator", getattr(activator, "name", None))
    for method in ("refusal", "quote", "scripts"):
        if not callable(getattr(activator, method, None)):
            broken(f"the activator has no method `{method}`")


def check_serves(activator: Activator) -> None:
    """There is an interpreter that it does not refuse."""
    if not supported_kinds(activator):
        broken("the activator refuses every interpreter that the kit has, so it can never be used")


def check_refusal(activator: Activator, kind: str, _: Path) -> None:
    """It gives None or a sentence that a user can act on, always the same."""
    check_sentence("`refusal`", call_twice("`refusal`", lambda: activator.refusal(KINDS[kind])))


def check_scripts(activator: Activator, kind: str, directory: Path) -> None:
    """It gives scripts with file names for their names, whole texts, and the same ones each time."""
    if (refusal := activator.refusal(KINDS[kind])) is not None:
        not_applicable(f"the activator refuses {KINDS[kind].name}: {refusal}")
    scripts = given(activator, environment_of(kind, directory / "env"))
    if os.path.lexists(directory / "env"):
        broken("`scripts` makes the environment's directory; a plugin describes, and the core performs")
    if not scripts:
        broken("`scripts` gives nothing, and `refusal` gives no reason")
    names = set()
    for script in scripts:
        if script.name in ("", ".", "..") or any(letter in '/\\:*?"<>|' or letter < " " for letter in script.name):
            broken(f"a script's name is {script.name!r}, and has to be a file name on every system")
        if script.name in names:
            broken(f"`scripts` gives two scripts of the name `{script.name}`")
        names.add(script.name)
        check_text(script)


def given(activator: Activator, environment: Environment) -> list[Script]:
    """Return what the activator gives, the same each time."""
    scripts = call_twice("`scripts`", lambda: list(activator.scripts(environment)))
    for script in scripts:
        if not isinstance(script, Script):
            broken(f"`scripts` gives {script!r}, which is no `cloche.Script`")
    return scripts


def check_text(script: Script) -> None:
    if not script.text.strip():
        broken(f"`{script.name}` is empty")
    if script.newline not in ("\n", "\r\n"):
        broken(f"`{script.name}` has {script.newline!r} for a line end")
    if "\r" in script.text:
        broken(f"`{script.name}` holds carriage returns; write `\\n`, and say `newline='\\r\\n'` where they belong")
    if not script.text.endswith("\n"):
        broken(f"`{script.name}` does not end with a line end")
    if SLOT_PREFIX in script.text:
        name = SLOT_PREFIX + script.text.partition(SLOT_PREFIX)[2].partition("__")[0]
        broken(f"`{script.name}` has the slot `{name}__` left in it; put values in with `cloche.render`")


def check_slot_like(activator: Activator) -> None:
    """A directory that is named like a slot stays a directory."""
    kind, name, prompt = supported_kinds(activator)[0], f"{SLOT_PREFIX}PROMPT__", "cloche0kit0prompt"
    counts = []
    for directory in ("plain", name):
        environment = environment_of(kind, absolute_path(kind, directory), prompt=prompt)
        try:
            scripts = given(activator, environment)
        except Inexpressible as error:
            not_applicable(f"the activator cannot write the name of a slot: {error.message}")
        counts.append(sum(script.text.count(prompt) for script in scripts))
    if counts[0] != counts[1]:
        broken(
            f"in a directory named `{name}` the scripts hold the prompt in its place: a value is taken for a template"
        )


def check_relocatable(activator: Activator) -> None:
    """What it gives for a relocatable environment is the same wherever that is made, or names the place where it is."""
    kind = supported_kinds(activator)[0]
    places = [absolute_path(kind, name) for name in ("one", "other")]
    texts = []
    for place in places:
        environment = environment_of(kind, place, placement="relocatable", naming="directory")
        texts.append([script.text for script in given(activator, environment)])
    names_it = [any(place in text for text in several) for place, several in zip(places, texts, strict=True)]
    if texts[0] != texts[1] and not all(names_it):
        broken("the scripts of a relocatable environment hold the name of its directory, and nothing that leads there")


def check_plain(activator: Activator) -> None:
    """Letters, a blank and what lies beyond ASCII can be written, as one text that is always the same."""
    for text in PLAIN:
        try:
            quoted = call_twice("`quote`", partial(activator.quote, text))
        except Inexpressible as error:
            broken(f"`quote` cannot even write {text!r}: {error.message}")
        if not isinstance(quoted, str):
            broken(f"`quote` gives {quoted!r} for {text!r}, and has to give a text")


def check_hostile(activator: Activator, name: str, _: Path) -> None:
    """A difficult name is written or refused with `Inexpressible`; nothing else is raised."""
    kind = supported_kinds(activator)[0]
    environment = environment_of(kind, absolute_path(kind, directory_name(HOSTILE[name])), prompt=HOSTILE[name])
    try:
        given(activator, environment)
    except Inexpressible as error:
        check_sentence("the message of `Inexpressible`", error.message)
    except Broken:
        raise
    except Exception as error:
        broken(f"`scripts` raises {error!r} for {HOSTILE[name]!r}; what cannot be written is `Inexpressible`")


# What it says about its shell


def check_source_line(activator: Activator) -> None:
    """The command is one line, the same each time; a path that cannot be typed is refused with `Inexpressible`."""
    for text in (*PLAIN, *HOSTILE.values()):
        path = f"./{directory_name(text)}/bin/activate"
        try:
            line: object = call_twice("`source_line`", partial(activator.source_line, path))
        except Inexpressible as error:
            check_sentence("the message of `Inexpressible`", error.message)
            if text in PLAIN:
                broken(f"`source_line` cannot even write {path!r}: {error.message}")
            continue
        if not isinstance(line, str) or not line.strip():
            broken(f"`source_line` gives {line!r} for {path!r}, and has to give a command")
        if "\n" in line and "\n" not in path:
            broken(f"`source_line` gives several lines for {path!r}; a user types one")


def check_texts(attribute: str, texts: object) -> None:
    """It is a tuple of names, and not a single text by mistake."""
    if not isinstance(texts, tuple) or not texts or not all(isinstance(text, str) and text for text in texts):
        broken(f"`{attribute}` is {texts!r}, and has to be a tuple of names")


def check_script_names(activator: Activator, names: tuple[str, ...]) -> None:
    """Its own scripts are among those of its shell, the first of them first."""
    check_texts("script_names", names)
    kind = supported_kinds(activator)[0]
    own = [script.name for script in given(activator, environment_of(kind, absolute_path(kind, "env")))]
    if missing := [name for name in own if name.lower() not in map(str.lower, names)]:
        broken(f"`scripts` gives `{missing[0]}`, which is not one of `script_names`")
    if own and own[0] != names[0]:
        broken(f"`script_names` begins with `{names[0]}`, and the script to activate with is `{own[0]}`")


def check_read_words(activator: Activator, read_words: Callable[[str], Iterable[Word]]) -> None:
    """A word that `quote` has written is found, and stands for the text that was quoted."""
    for text in (*PLAIN, *HOSTILE.values()):
        try:
            quoted = activator.quote(text)
        except Inexpressible:
            continue
        found = list(read_words(f"x {quoted}"))
        if Word(2, 2 + len(quoted), text) not in found:
            broken(f"`read_words` does not find {text!r} in {f'x {quoted}'!r}, but {found!r}")


# Templates


def template_files(activator: Activator) -> dict[str, str]:
    """Return the files with slots that lie beside the activator's module, by name."""
    module = sys.modules.get(type(activator).__module__)
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    if not origin or not os.path.isfile(origin):
        return {}
    found = {}
    for path in sorted(Path(origin).parent.iterdir()):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            text = path.read_text("utf-8-sig", errors="replace")
            if SLOT_PREFIX in text:
                found[path.name] = text
    return found


def check_slots(templates: Mapping[str, str]) -> None:
    """Every slot is closed, and stands outside quotes and comments: the quoter brings the quotes."""
    if not templates:
        not_applicable("no file with slots lies beside the activator's module")
    for template, text in templates.items():
        for number, line in enumerate(text.splitlines(), 1):
            before = ""
            for piece in line.split(SLOT_PREFIX)[1:]:
                before = line[: line.index(SLOT_PREFIX, len(before))]
                name, closed, _ = piece.partition("__")
                slot, where = f"{SLOT_PREFIX}{name}__", f"`{template}`, line {number}"
                if not closed or not name.replace("_", "").isalnum() or name.upper() != name:
                    broken(f"{where}: `{SLOT_PREFIX}{name[:20]}` is no slot; one looks like `{SLOT_PREFIX}ROOT__`")
                if quote := open_quote(before):
                    broken(f"{where}: `{slot}` stands inside {quote}quotes{quote}; `quote` brings its own")
                if before.lstrip()[:1] == "#" or before.lstrip()[:4].lower() in ("rem ", "@rem"):
                    broken(f"{where}: `{slot}` stands in a comment, which a line break in a name would end")
                before += SLOT_PREFIX


def open_quote(text: str) -> str:
    """Return the quote that is open at the end of a line's beginning, empty if there is none."""
    quote, escaped = "", False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
    return quote
