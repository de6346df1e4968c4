@rem What activate.bat and deactivate.bat share: cmd has no way to include a file, so each ends with a copy.

@rem :save NAME keeps what NAME holds, or that it holds nothing: to cmd, an empty variable is no variable.
:save
@if defined %1 call :put _OLD_VIRTUAL_%1 %1
@if not defined %1 set "_UNSET_VIRTUAL_%1=1"
@exit /b

@rem :restore NAME undoes what has been done since `:save NAME`, if that was called.
:restore
@if defined _OLD_VIRTUAL_%1 call :put %1 _OLD_VIRTUAL_%1
@if defined _UNSET_VIRTUAL_%1 set "%1="
@set "_OLD_VIRTUAL_%1="
@set "_UNSET_VIRTUAL_%1="
@exit /b

:restore_all
@for %%v in (VIRTUAL_ENV VIRTUAL_ENV_PROMPT PROMPT) do @call :restore %%v
@for %%v in (PATH PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY) do @call :restore %%v
@exit /b

@rem :put NAME A B C D sets NAME to what the variables A, B, C and D hold, one after the other; B, C and D may be left
@rem out. Delayed expansion is the last thing that cmd does to a line, so nothing in a value means anything. Where the
@rem caller has it off, it is on for one line only, and the value leaves that line in a loop variable.
:put
@if not "!!"=="" goto put_aside
@set "%1=!%2!!%3!!%4!!%5!"
@exit /b
:put_aside
@setlocal EnableDelayedExpansion
@for /f "delims=" %%x in ("%1=!%2!!%3!!%4!!%5!") do @(endlocal & set "%%x")
@exit /b
