"""What is below every other package: regular files, checksums of files, locks."""
