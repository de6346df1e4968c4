from __future__ import annotations

from cloche_virtualenv.options import Options as VirtualEnvOptions

__all__ = ["VirtualEnvOptions"]
