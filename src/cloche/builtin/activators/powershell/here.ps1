if (-not $env:VIRTUAL_ENV -or $env:VIRTUAL_ENV -eq $PSCommandPath) {
    $env:VIRTUAL_ENV = $env:_CLOCHE_OLD_VIRTUAL_ENV
    $env:_CLOCHE_OLD_PATH = $env:_CLOCHE_OLD_PYTHONHOME = $env:_CLOCHE_OLD_PKG_CONFIG_PATH = $null
    $env:_CLOCHE_OLD_VIRTUAL_ENV = $env:_CLOCHE_OLD_VIRTUAL_ENV_PROMPT = $null
    throw 'this script must be sourced from its file: . ENVIRONMENT/bin/activate.ps1'
}
$env:VIRTUAL_ENV_PROMPT = __CLOCHE_PROMPT__
if (__CLOCHE_NAMING__ -eq 'directory') { $env:VIRTUAL_ENV_PROMPT = $env:VIRTUAL_ENV -replace __CLOCHE_ABOVE__, '' }
