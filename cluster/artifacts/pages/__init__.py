"""Show what was made besides searches, as pages with charts."""
