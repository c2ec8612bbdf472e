"""Rankings: candidates in the order in which a searcher proposes them, and the ways to make that order."""
