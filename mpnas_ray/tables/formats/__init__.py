"""Read the files that NAS tables are published in, and our own."""
