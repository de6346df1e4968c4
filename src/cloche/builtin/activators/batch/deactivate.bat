@rem Undoes the activation of an environment; does nothing if none is active.

@call :restore_all
@exit /b 0

