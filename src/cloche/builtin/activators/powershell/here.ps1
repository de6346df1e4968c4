if ($env:_CLOCHE_VIRTUAL_ROOT -in $null, '', $PSCommandPath) {
    $env:_CLOCHE_VIRTUAL_ROOT = $null
    throw 'this script must be sourced from its file: . ENVIRONMENT/bin/activate.ps1'
}
$env:_CLOCHE_PROMPT = __CLOCHE_PROMPT__
if (__CLOCHE_NAMING__ -eq 'directory') { $env:_CLOCHE_PROMPT = $env:_CLOCHE_VIRTUAL_ROOT -replace __CLOCHE_ABOVE__, '' }
