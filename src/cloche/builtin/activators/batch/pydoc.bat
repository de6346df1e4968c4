@rem Runs the pydoc of this environment.

@setlocal DisableDelayedExpansion
@"%~dp0python" -m pydoc %*
