"""Show the summaries of a comparison: as JSON, a page, pictures, and a page to look around in."""
