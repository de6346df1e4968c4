@rem Activates this environment in cmd.exe: `call ENVIRONMENT\Scripts\activate`. `deactivate` undoes it.
@rem
@rem Every line begins with @, because `echo off` would stay in effect after the script. Values of variables are never
@rem expanded with percent signs, because cmd would parse the result and run a command after an ampersand. See `:put`
@rem at the end. Slots are not in quotes: after `set NAME=`, carets escape special characters.

@rem Find the environment. Nothing changes before it is found. If the caller has enabled delayed expansion, `!` needs
@rem additional carets. Quoted text refers to this variable.
@set "_CLOCHE_CARET=^^"
@if not "!!"=="" set "_CLOCHE_CARET="

@rem cmd decodes this file with the code page of the console, but it is in UTF-8.
@set "_CLOCHE_CODE_PAGE="
@if __CLOCHE_IS_ASCII__==no call :utf8
@set _CLOCHE_VIRTUAL_ROOT=__CLOCHE_ROOT__
@set _CLOCHE_PROMPT=(__CLOCHE_ESCAPED_PROMPT__)
@set _CLOCHE_NAME=__CLOCHE_PROMPT__
@set _CLOCHE_TCL_LIBRARY=__CLOCHE_TCL_LIBRARY__
@set _CLOCHE_TK_LIBRARY=__CLOCHE_TK_LIBRARY__
@set _CLOCHE_BIN=__CLOCHE_TO_BIN__
@set _CLOCHE_PKG_CONFIG=__CLOCHE_TO_PKG_CONFIG__
@if defined _CLOCHE_CODE_PAGE "%SystemRoot%\System32\chcp.com" %_CLOCHE_CODE_PAGE% >nul 2>&1
@set "_CLOCHE_FOUND="
@call :find
@if not defined _CLOCHE_FOUND goto moved

@rem First, deactivate the active environment. All tools save variables under these names, but only this script saves
@rem VIRTUAL_ENV; with another tool, it was unset before.
@if defined _OLD_VIRTUAL_PATH if not defined _OLD_VIRTUAL_VIRTUAL_ENV set "_UNSET_VIRTUAL_VIRTUAL_ENV=1"
@if defined _OLD_VIRTUAL_PATH if not defined _OLD_VIRTUAL_VIRTUAL_ENV_PROMPT set "_UNSET_VIRTUAL_VIRTUAL_ENV_PROMPT=1"
@call :restore_all

@for %%v in (PATH PYTHONHOME PKG_CONFIG_PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT) do @call :save %%v

@call :put VIRTUAL_ENV _CLOCHE_VIRTUAL_ROOT
@set "VIRTUAL_ENV_PROMPT="
@if defined _CLOCHE_NAME call :put VIRTUAL_ENV_PROMPT _CLOCHE_NAME
@set "PYTHONHOME="
@set "_CLOCHE_SEMICOLON="
@if defined PATH set "_CLOCHE_SEMICOLON=;"
@call :put PATH VIRTUAL_ENV _CLOCHE_BIN _CLOCHE_SEMICOLON PATH
@set "_CLOCHE_SEMICOLON="
@if defined PKG_CONFIG_PATH set "_CLOCHE_SEMICOLON=;"
@call :put PKG_CONFIG_PATH VIRTUAL_ENV _CLOCHE_PKG_CONFIG _CLOCHE_SEMICOLON PKG_CONFIG_PATH
@for %%v in (TCL_LIBRARY TK_LIBRARY) do @if defined _CLOCHE_%%v call :replace %%v

@if not defined VIRTUAL_ENV_DISABLE_PROMPT call :prompt

@call :forget
@exit /b 0

:moved
@echo this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT>&2
@call :forget
@exit /b 1

:forget
@for %%v in (CARET CODE_PAGE PROMPT TCL_LIBRARY TK_LIBRARY BIN PKG_CONFIG SEMICOLON SPACE) do @set "_CLOCHE_%%v="
@for %%v in (VIRTUAL_ROOT NAME FOUND) do @set "_CLOCHE_%%v="
@exit /b

:find
@if not "!!"=="" goto find_aside
@if exist "!_CLOCHE_VIRTUAL_ROOT!!_CLOCHE_BIN!\" set "_CLOCHE_FOUND=1"
@exit /b
:find_aside
@setlocal EnableDelayedExpansion
@if exist "!_CLOCHE_VIRTUAL_ROOT!!_CLOCHE_BIN!\" (endlocal & set "_CLOCHE_FOUND=1")
@exit /b

:utf8
@if not exist "%SystemRoot%\System32\chcp.com" exit /b
@for /f "tokens=2 delims=:." %%p in ('"%SystemRoot%\System32\chcp.com"') do @set "_CLOCHE_CODE_PAGE=%%p"
@"%SystemRoot%\System32\chcp.com" 65001 >nul 2>&1
@exit /b

:prompt
@call :save PROMPT
@if not defined PROMPT set "PROMPT=$P$G"
@set "_CLOCHE_SPACE= "
@call :put PROMPT _CLOCHE_PROMPT _CLOCHE_SPACE PROMPT
@exit /b

:replace
@call :save %1
@call :put %1 _CLOCHE_%1
@exit /b

