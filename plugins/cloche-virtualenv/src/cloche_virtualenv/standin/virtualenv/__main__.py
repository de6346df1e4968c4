"""`python -m virtualenv`."""

from __future__ import annotations

from cloche_virtualenv.main import run, run_with_catch

__all__ = ["run", "run_with_catch"]

if __name__ == "__main__":
    run_with_catch()
