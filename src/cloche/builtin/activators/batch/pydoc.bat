@rem Runs pydoc in this environment, wherever it is called from.

@setlocal DisableDelayedExpansion
@"%~dp0python" -m pydoc %*
