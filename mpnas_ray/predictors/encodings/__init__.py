"""Encode architectures as vectors."""
