@rem Where this file is; `%~dp0` is the one reference that cmd expands after it has parsed a line.
@for %%d in ("%~dp0..") do @set "VIRTUAL_ENV=%%~fd"
@set _CLOCHE_PROMPT=(__CLOCHE_DRAWN_PROMPT__)
@set VIRTUAL_ENV_PROMPT=__CLOCHE_PROMPT__
@if not __CLOCHE_NAMING__==directory goto named
@for %%d in ("%~dp0..") do @set "VIRTUAL_ENV_PROMPT=%%~nxd"
@rem A `$` in the name begins a code of the prompt, which draws something, and runs nothing.
@set "_CLOCHE_PROMPT=("
@set "_CLOCHE_SPACE=)"
@call :put _CLOCHE_PROMPT _CLOCHE_PROMPT VIRTUAL_ENV_PROMPT _CLOCHE_SPACE
:named
