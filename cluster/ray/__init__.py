"""Reach into Ray: connection, free resources, snapshots, jobs, and what works around its behaviour."""
