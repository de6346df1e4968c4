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

# Where this file is; where it was made, if its text is run without a file and it may be assumed to be there still.
$env:VIRTUAL_ENV = $PSCommandPath -replace __CLOCHE_SELF__, ''
if (-not $env:VIRTUAL_ENV -or $env:VIRTUAL_ENV -eq $PSCommandPath) { $env:VIRTUAL_ENV = __CLOCHE_ROOT__ }
$env:VIRTUAL_ENV_PROMPT = __CLOCHE_PROMPT__

$env:_CLOCHE_BIN = $env:VIRTUAL_ENV + __CLOCHE_TO_BIN__
$env:PATH = $env:_CLOCHE_BIN + $(if ($env:PATH) { __CLOCHE_PATH_SEPARATOR__ + $env:PATH })
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

# The user's own prompt is called before anything else runs, so that it still sees the last command's `$?`. One that is
# made from this one may outlive the environment; nothing comes of this one then.
if ($function:prompt -and -not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    $function:global:_cloche_old_prompt = $function:prompt
    $function:global:_cloche_prompt = {
        $(if ($function:_cloche_old_prompt) { '(' + $env:VIRTUAL_ENV_PROMPT + ') ' + (& $function:_cloche_old_prompt) })
    }
    $function:global:prompt = $function:_cloche_prompt
}

# No environment brings `pydoc`, so the one on PATH would be another Python's. One of the user's own making stays.
if (-not $function:pydoc) {
    $function:global:_cloche_pydoc = { python -m pydoc @args }
    $function:global:pydoc = $function:_cloche_pydoc
}

function global:deactivate ([switch] $NonDestructive) {
    # What has been put around our directory in PATH stays. Where ours is gone, PATH becomes what it was.
    $separator = __CLOCHE_PATH_SEPARATOR__
    $own = $separator + $env:_CLOCHE_BIN + $separator
    $before, $after = ($separator + $env:PATH + $separator) -csplit $own, 2, 'SimpleMatch'
    if ($null -eq $after -or $env:PATH -ceq $env:_CLOCHE_BIN) {
        $env:PATH = $env:_CLOCHE_OLD_PATH
    } else {
        $env:PATH = ($before + $separator + $after) -replace "\A$separator|$separator\z"
    }
    $env:_CLOCHE_OLD_PATH = $env:_CLOCHE_BIN = $null
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
    # What the user has put in their place meanwhile stays.
    if ($function:_cloche_prompt -and "$function:prompt" -ceq "$function:_cloche_prompt") {
        $function:global:prompt = $function:_cloche_old_prompt
    }
    if ($function:_cloche_pydoc -and "$function:pydoc" -ceq "$function:_cloche_pydoc") { $function:pydoc = $null }
    $function:_cloche_prompt = $function:_cloche_old_prompt = $function:_cloche_pydoc = $null
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
