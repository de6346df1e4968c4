"""Read and write regular files, compute their checksums, and take locks."""
