"""Neural predictors that are trained on the measured architectures alone."""
