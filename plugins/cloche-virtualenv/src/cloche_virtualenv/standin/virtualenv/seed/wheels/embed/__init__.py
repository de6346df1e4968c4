from __future__ import annotations

from cloche_virtualenv.embedded import get_embed_wheel

__all__ = ["get_embed_wheel"]
