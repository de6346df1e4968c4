"""Get files from this machine and from the network, and check their hashes.

`artifacts` and `pins` say which file is wanted, and `local_search` finds it on this machine. `downloads` gets the others:
`indexes` and `simple_index` know their URLs, `http` transfers the bytes, and `meter` measures the progress. `connections`,
`credentials` and `keyring` act on pip's settings, which `pip_settings` reads, and `request_failures` says what went wrong.
"""
