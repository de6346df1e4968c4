"""Get files from this machine and from the network, and check their hashes.

`artifacts` and `pins` say which file is wanted, and `local_search` finds it on this machine. `downloads` gets the others:
`indexes` and `simple_index` know their URLs, `pip_settings` has the indexes, proxies and certificates that the user configured
for pip, `keyring` has the passwords, and `http` transfers the bytes. `worker_threads` runs several transfers at once.
"""
