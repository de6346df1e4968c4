"""Files and locks: how cloche touches the file system outside a transaction."""
