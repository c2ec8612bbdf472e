"""The trials of a search: what Tune reports of them, what is kept, and with which a search begins."""
