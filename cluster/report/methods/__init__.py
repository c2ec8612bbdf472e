"""Draw methods beside each other: their looks, their curves in many charts, and the keys by which they are chosen."""
