"""Show a run as a page: read its files, draw it as it goes, and at its end."""
