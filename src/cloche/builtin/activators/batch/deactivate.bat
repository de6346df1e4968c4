@rem Puts back what activating an environment changed; does nothing where none is active.

@call :restore_all
@exit /b 0

