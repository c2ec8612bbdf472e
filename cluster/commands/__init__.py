"""The subcommands of ``mpnas``, one module each.

Each is one Python call; Ray is only imported by those that need it.
"""
