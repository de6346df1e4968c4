"""Get files from this machine and from the network, and check their hashes.

`artifacts` and `pins` say which file is wanted, and `local_search` finds it on this machine. `downloads` gets the others:
`indexes` and `simple_index` know their URLs, and `http` transfers the bytes. `connections`, `credentials` and `keyring` act on
the settings for pip, which `pip_settings` reads, and `request_failures` says what went wrong. `worker_threads` runs several
transfers at once, and `meter` measures them.
"""
