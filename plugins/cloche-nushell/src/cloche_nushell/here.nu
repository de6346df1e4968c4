    const file = path self
    let root = ($file | path dirname | path dirname)
    let bin = ($root | path join __CLOCHE_BIN_NAME__)
    let pkg_config = ($root | path join 'lib' 'pkgconfig')
    let name = if __CLOCHE_NAMING__ == 'directory' { $root | path basename } else { __CLOCHE_PROMPT__ }
