"""The mixture of Gaussian processes over one task: prior, posterior and functions drawn from it."""
