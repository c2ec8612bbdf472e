"""Make things that outlast a run: tables, predictors, scores, predictions and exported networks."""
