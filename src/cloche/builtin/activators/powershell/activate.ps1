# Activates the environment that contains this file, in Windows PowerShell 5.1 and PowerShell 7:
#
#     . ENVIRONMENT/bin/activate.ps1        on Windows: . ENVIRONMENT\Scripts\activate.ps1
#
# `deactivate` undoes it.
#
# A dot-sourced script shares the caller's variables, so this one sets none. It saves old values in environment
# variables and functions, which can be removed without a cmdlet: by assigning `$null`, to a function without `global:`.
# It calls no cmdlets, because they may be shadowed, and those for paths treat `[` as a wildcard. It calls no .NET
# methods, which Constrained Language Mode forbids. It reads only `$env:` and `$function:`, which may be unset in
# strict mode.

# Find the root by the path of this file. If the text is evaluated without a file, use the path at which the environment
# was created. Nothing changes before the environment is found.
$env:_CLOCHE_VIRTUAL_ROOT = $PSCommandPath -replace __CLOCHE_SELF__, ''
if ($env:_CLOCHE_VIRTUAL_ROOT -in $null, '', $PSCommandPath) { $env:_CLOCHE_VIRTUAL_ROOT = __CLOCHE_ROOT__ }
$env:_CLOCHE_PROMPT = __CLOCHE_PROMPT__

# Nothing changes if `deactivate` cannot be replaced. An alias with this name would hide the function.
try {
    if ($function:deactivate) { $function:global:deactivate = $function:deactivate }
    $alias:deactivate = $null
} catch {
    $env:_CLOCHE_VIRTUAL_ROOT = $env:_CLOCHE_PROMPT = $null
    throw 'cannot activate: the function `deactivate` is read-only'
}

if ($env:VIRTUAL_ENV -and $function:deactivate) { deactivate -NonDestructive }

# Define this first: a later statement may fail, for example because the user's prompt is read-only.
function global:deactivate ([switch] $NonDestructive) {
    # Keep entries that were added to PATH around ours. Without our entry, PATH gets its old value.
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
    # Keep functions with which the user has replaced ours.
    if ($function:_cloche_prompt -and "$function:prompt" -ceq "$function:_cloche_prompt") {
        $function:global:prompt = $function:_cloche_old_prompt
    }
    if ($function:_cloche_pydoc -and "$function:pydoc" -ceq "$function:_cloche_pydoc") { $function:pydoc = $null }
    $function:_cloche_prompt = $function:_cloche_old_prompt = $function:_cloche_pydoc = $null
    # As in other activation scripts, `-NonDestructive` keeps the function; from then on, it only removes itself.
    if ($NonDestructive) {
        $function:global:deactivate = {
            param([switch] $NonDestructive)
            if (-not $NonDestructive) { $function:deactivate = $null }
        }
    } else {
        $function:deactivate = $null
    }
}

$env:_CLOCHE_OLD_PATH = $env:PATH
$env:_CLOCHE_OLD_PYTHONHOME = $env:PYTHONHOME
$env:_CLOCHE_OLD_PKG_CONFIG_PATH = $env:PKG_CONFIG_PATH
$env:_CLOCHE_OLD_VIRTUAL_ENV = $env:VIRTUAL_ENV
$env:_CLOCHE_OLD_VIRTUAL_ENV_PROMPT = $env:VIRTUAL_ENV_PROMPT

$env:VIRTUAL_ENV = $env:_CLOCHE_VIRTUAL_ROOT
$env:VIRTUAL_ENV_PROMPT = $env:_CLOCHE_PROMPT
$env:_CLOCHE_VIRTUAL_ROOT = $env:_CLOCHE_PROMPT = $null

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

# Call the user's prompt before anything else, so that it still sees `$?` of the last command. If a prompt that the user
# based on this one is still in use after deactivation, this one returns nothing.
if ($function:prompt -and -not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
    $function:global:_cloche_old_prompt = $function:prompt
    $function:global:_cloche_prompt = {
        $(if ($function:_cloche_old_prompt) { '(' + $env:VIRTUAL_ENV_PROMPT + ') ' + (& $function:_cloche_old_prompt) })
    }
    try { $function:global:prompt = $function:_cloche_prompt } catch { $function:_cloche_prompt = $null }
}

# On POSIX, an environment has no `pydoc`, so the one on PATH belongs to another Python. Keep the user's own `pydoc`.
if (-not $function:pydoc) {
    $function:global:_cloche_pydoc = { python -m pydoc @args }
    $function:global:pydoc = $function:_cloche_pydoc
}
