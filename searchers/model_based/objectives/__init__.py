"""Search for several objectives: a quality, and costs that are known beforehand or measured by trials."""
