"""The command line: the only modules that know about terminals, arguments and exit codes."""
