"""Find the name that a misspelled name probably stands for."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggestion(word: str, names: Iterable[str]) -> str:
    """Return the end of a message that suggests the most similar of some names; empty if none is similar."""
    near = nearest_name(word, sorted(set(names)))
    return f"; did you mean `{near}`?" if near else ""


def nearest_name(word: str, names: Iterable[str]) -> str:
    """Return the name that a word is probably a misspelling of, or else an abbreviation or an extension of; empty if none.

    :param names: the known names; the first one wins if several are equally near.
    """
    names = tuple(names)
    return nearest_spelling(word, names) or next((name for name in names if has_same_beginning(word, name)), "")


def nearest_spelling(word: str, names: Iterable[str]) -> str:
    """Return the name that a word is probably a misspelling of; empty if none is near enough."""
    near = [(edits, name) for name in names if (edits := count_edits(word, name)) <= most_edits(name)]
    return min(near, key=lambda pair: pair[0])[1] if near else ""


def most_edits(name: str) -> int:
    """Return how many edits a misspelling of a name may have: one, and another one for every seven characters of the name.

    With names of one or two characters, every other name would be near.
    """
    return 1 + len(name) // 7 if len(name) > 2 else 0


def has_same_beginning(word: str, name: str) -> bool:
    """Return whether a word is the beginning of a name (`sys`), or begins with a name of four characters or more."""
    return (len(word) > 2 and name.startswith(word)) or (len(name) > 3 and word.startswith(name))


def count_edits(word: str, name: str) -> int:
    """Return how many characters are missing, superfluous or wrong, or swapped with the next one.

    This is the optimal string alignment distance.
    """
    before: list[int] = []
    row = list(range(len(name) + 1))
    for number, letter in enumerate(word, 1):
        above, row = row, [number]
        for column, other in enumerate(name, 1):
            edits = min(above[column] + 1, row[-1] + 1, above[column - 1] + (letter != other))
            if before and column > 1 and (letter, word[number - 2]) == (name[column - 2], other):
                edits = min(edits, before[column - 2] + 1)
            row.append(edits)
        before = above
    return row[-1]
