complete cloche 'n/{__CLOCHE_DIRECTORIES__}/d/' 'n/{__CLOCHE_FILES__}/f/' 'C@{*/,.}*@d@' 'p/*/`cloche completion tcsh x`/'
