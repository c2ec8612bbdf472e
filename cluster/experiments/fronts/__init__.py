"""Compare methods that search for several objectives, on NAS-Bench-201."""
