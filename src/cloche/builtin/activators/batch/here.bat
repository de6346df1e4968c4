@rem Find the path of this file. cmd expands only `%~dp0` after it has parsed the line.
@for %%d in ("%~dp0..") do @set "_CLOCHE_VIRTUAL_ROOT=%%~fd"
@set _CLOCHE_PROMPT=(__CLOCHE_ESCAPED_PROMPT__)
@set _CLOCHE_NAME=__CLOCHE_PROMPT__
@if not __CLOCHE_NAMING__==directory goto named
@for %%d in ("%~dp0..") do @set "_CLOCHE_NAME=%%~nxd"
@rem A `$` in the name begins a code of the prompt, which changes the display but runs no command.
@set "_CLOCHE_PROMPT=("
@set "_CLOCHE_SPACE=)"
@call :put _CLOCHE_PROMPT _CLOCHE_PROMPT _CLOCHE_NAME _CLOCHE_SPACE
:named
