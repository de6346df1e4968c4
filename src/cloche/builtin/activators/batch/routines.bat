@rem Shared by activate.bat and deactivate.bat. cmd cannot include a file, so each ends with a copy.

@rem :save NAME saves the value of NAME, or that it is unset. In cmd, an empty variable is unset.
:save
@if defined %1 call :put _OLD_VIRTUAL_%1 %1
@if not defined %1 set "_UNSET_VIRTUAL_%1=1"
@exit /b

@rem :restore NAME restores the value that `:save NAME` saved, if it was called.
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

@rem :put NAME A B C D sets NAME to the values of the variables A, B, C and D, concatenated; B, C and D are optional.
@rem Delayed expansion is the last step in which cmd processes a line, so nothing in a value is special. If the caller
@rem has not enabled it, it is enabled for one line only, and a loop variable carries the value out of `setlocal`.
:put
@if not "!!"=="" goto put_aside
@set "%1=!%2!!%3!!%4!!%5!"
@exit /b
:put_aside
@setlocal EnableDelayedExpansion
@for /f "delims=" %%x in ("%1=!%2!!%3!!%4!!%5!") do @(endlocal & set "%%x")
@exit /b
