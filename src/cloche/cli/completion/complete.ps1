# Completes `cloche` in PowerShell. In $PROFILE:  cloche completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName cloche -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $program = @(Get-Command -Name cloche -CommandType Application -ErrorAction Ignore)[0]
    if (-not $program) { return }
    $words = @(foreach ($element in $commandAst.CommandElements) {
        if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $text = $element.Value }
        else { $text = $element.Extent.Text }
        if ($element.Extent.EndOffset -lt $cursorPosition) { "+$text" } # with a mark, because an empty word may be dropped
    })
    $words = @($words[1..$words.Count] | Where-Object { $_ }) + "+$wordToComplete"
    $paths, $lines = & $program.Path completion powershell -- @words 2>$null
    # if no word matches, PowerShell itself completes and quotes file names
    foreach ($line in $lines) {
        $word, $what = "$line" -split "`t", 2
        if (-not $what) { $what = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $what)
    }
}
