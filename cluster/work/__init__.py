"""Compute the missing units of a long job on Ray, each of which leaves a file."""
