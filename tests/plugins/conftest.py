"""The fixtures of the plugin tests."""

from tests.plugins.site import site

__all__ = ["site"]
