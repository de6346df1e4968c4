# Activates the environment that this file lies in, for Windows PowerShell 5.1 and PowerShell 7:
#
#     . ENVIRONMENT/bin/activate.ps1        on Windows: . ENVIRONMENT\Scripts\activate.ps1
#
# `deactivate` puts everything back and leaves nothing behind.
#
# Dot-sourced, a script shares the caller's variables and must set none of its own; so what has to be put back waits in
# environment variables and functions, which the language alone can remove: by `$null`, and a function not as `global:`.
# It calls no cmdlet (one may be shadowed, and those for paths take `[` for a wildcard) and no .NET method (forbidden in
# Constrained Language Mode), and of what may be unset it reads only `$env:` and `$function:`, which strict mode allows.

if ($env:VIRTUAL_ENV -and $function:deactivate) { deactivate -NonDestructive }

$env:_CLOCHE_OLD_PATH = $env:PATH
$env:_CLOCHE_OLD_PYTHONHOME = $env:PYTHONHOME
$env:_CLOCHE_OLD_PKG_CONFIG_PATH = $env:PKG_CONFIG_PATH
$env:_CLOCHE_OLD_VIRTUAL_ENV = $env:VIRTUAL_ENV
$env:_CLOCHE_OLD_VIRTUAL_ENV_PROMPT = $env:VIRTUAL_ENV_PROMPT

# Where this file is; where it was made, if its text is run without a file.
$env:VIRTUAL_ENV = $PSCommandPath -replace __CLOCHE_SELF__, ''
if (-not $env:VIRTUAL_ENV -or $env:VIRTUAL_ENV -eq $PSCommandPath) { $env:VIRTUAL_ENV = __CLOCHE_ROOT__ }
$env:VIRTUAL_ENV_PROMPT = __CLOCHE_PROMPT__

$env:PATH = $env:VIRTUAL_ENV + __CLOCHE_TO_BIN__ + $(if ($env:PATH) { __CLOCHE_PATH_SEPARATOR__ + $env:PATH })
$env:PKG_CONFIG_PATH = $env:VIRTUAL_ENV + __CLOCHE_TO_PKG_CONFIG__ + $(
    if ($env:PKG_CONFIG_PATH) { __CLOCHE_PATH_SEPARATOR__ + $env:PKG_CONFIG_PATH }
)
$env:PYTHONHOME = $null

if (__CLOCHE_TCL_LIBRARY__) {
    $env:_CLOCHE_OLD_TCL_LIBRARY = $env:TCL_LIBRARY
    $env:TCL_LIBRARY = __CLOCHE_TCL_LIBRARY__
}
if (__CLOCHE_TK_LIBRARY__) {
    $env:_CLOCHE_OLD_TK_LIBRARY = $env:TK_LIBRARY
    $env:TK_LIBRARY = __CLOCHE_TK_LIBRARY__
}

# The user's own prompt is called before anything else runs, so that it still sees the last command's `$?`.
if ($function:prompt -and -not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    $function:global:_cloche_old_prompt = $function:prompt
    $function:global:prompt = { '(' + $env:VIRTUAL_ENV_PROMPT + ') ' + (& $function:_cloche_old_prompt) }
}

$function:global:_cloche_old_pydoc = $function:pydoc
$function:global:pydoc = { python -m pydoc @args }

function global:deactivate ([switch] $NonDestructive) {
    $env:PATH, $env:_CLOCHE_OLD_PATH = $env:_CLOCHE_OLD_PATH, $null
    $env:PYTHONHOME, $env:_CLOCHE_OLD_PYTHONHOME = $env:_CLOCHE_OLD_PYTHONHOME, $null
    $env:PKG_CONFIG_PATH, $env:_CLOCHE_OLD_PKG_CONFIG_PATH = $env:_CLOCHE_OLD_PKG_CONFIG_PATH, $null
    $env:VIRTUAL_ENV, $env:_CLOCHE_OLD_VIRTUAL_ENV = $env:_CLOCHE_OLD_VIRTUAL_ENV, $null
    $env:VIRTUAL_ENV_PROMPT, $env:_CLOCHE_OLD_VIRTUAL_ENV_PROMPT = $env:_CLOCHE_OLD_VIRTUAL_ENV_PROMPT, $null
    if (__CLOCHE_TCL_LIBRARY__) {
        $env:TCL_LIBRARY, $env:_CLOCHE_OLD_TCL_LIBRARY = $env:_CLOCHE_OLD_TCL_LIBRARY, $null
    }
    if (__CLOCHE_TK_LIBRARY__) {
        $env:TK_LIBRARY, $env:_CLOCHE_OLD_TK_LIBRARY = $env:_CLOCHE_OLD_TK_LIBRARY, $null
    }
    if ($function:_cloche_old_prompt) {
        $function:global:prompt = $function:_cloche_old_prompt
        $function:_cloche_old_prompt = $null
    }
    if ($function:_cloche_old_pydoc) {
        $function:global:pydoc = $function:_cloche_old_pydoc
        $function:_cloche_old_pydoc = $null
    } else {
        $function:pydoc = $null
    }
    # `-NonDestructive` keeps the function, as in other activation scripts; there is nothing left for it to do.
    if ($NonDestructive) {
        $function:global:deactivate = {
            param([switch] $NonDestructive)
            if (-not $NonDestructive) { $function:deactivate = $null }
        }
    } else {
        $function:deactivate = $null
    }
}
