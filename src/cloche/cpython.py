"""Private names of CPython, each of which saves milliseconds and has a public fallback.

Only this module uses any, apart from the probe, which runs in other interpreters.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from threading import local as thread_local
    from typing import Protocol

    class Hash(Protocol):
        """A hash object, as in `hashlib`."""

        def digest(self) -> bytes: ...

        def hexdigest(self) -> str: ...

else:
    try:
        import _signal as signal
    except ImportError:
        import signal
    try:
        from _thread import _local as thread_local
    except ImportError:
        from threading import local as thread_local

__all__ = ["import_sha256", "keyed_hash", "run_exit_callbacks", "signal", "thread_local"]
"""`signal` has the functions and numbers of the public module, without the enums that take 1.5 ms to create; `thread_local` is
`threading.local`, without importing `threading`."""


def keyed_hash(key: int, content: bytes) -> bytes:
    """Return a hash of eight bytes, for keys and checksums in a cache that only this user can write to.

    It is the SipHash that CPython uses for bytecode files. Importing `hashlib` instead takes 3 ms.
    """
    try:
        from _imp import source_hash
    except ImportError:
        from hashlib import blake2b

        return blake2b(content, digest_size=8, key=key.to_bytes(8, "little")).digest()
    return source_hash(key, content)


def import_sha256() -> Callable[[bytes], Hash]:
    """Return `hashlib.sha256` without importing `hashlib`, which takes 3 ms."""
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256  # before Python 3.12
        except ImportError:
            from hashlib import sha256
    function: Callable[[bytes], Hash] = sha256
    return function


def run_exit_callbacks() -> bool:
    """Call the functions that `atexit` calls at the end, as it does; return False if only Python itself can do so."""
    import atexit

    run: Callable[[], None] | None = getattr(atexit, "_run_exitfuncs", None)
    if run is not None:
        run()
    return run is not None
