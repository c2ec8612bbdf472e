"""Reach into Ray: connection, free resources, snapshots, jobs, and corrections of its behaviour."""
