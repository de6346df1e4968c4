"""What the tests of plugins share."""

from tests.plugins.site import site

__all__ = ["site"]
