"""The published tables and figures of rank correlations, a module each."""
