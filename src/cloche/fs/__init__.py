"""Read and write regular files, compute their checksums, record the inputs of a decision, and take locks."""
