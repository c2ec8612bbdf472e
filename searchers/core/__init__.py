"""The base of all searchers: candidates, observations, starting points, hyperparameters and saved state."""
