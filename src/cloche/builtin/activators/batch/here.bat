@rem Where this file is; `%~dp0` is the one reference that cmd expands after it has parsed a line.
@for %%d in ("%~dp0..") do @set "VIRTUAL_ENV=%%~fd"
@set VIRTUAL_ENV_PROMPT=__CLOCHE_PROMPT__
@set _CLOCHE_PROMPT=(__CLOCHE_DRAWN_PROMPT__)
@if not __CLOCHE_NAMING__==directory goto named
@for %%d in ("%~dp0..") do @for %%n in ("%%~fd") do @set "VIRTUAL_ENV_PROMPT=%%~nxn"
@if "!!"=="" goto drawn
@setlocal EnableDelayedExpansion
@for /f "delims=" %%x in ("(!VIRTUAL_ENV_PROMPT:$=$$!)") do @(endlocal & set "_CLOCHE_PROMPT=%%x")
@goto named
:drawn
@set "_CLOCHE_PROMPT=(!VIRTUAL_ENV_PROMPT:$=$$!)"
:named
