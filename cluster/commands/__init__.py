"""The subcommands of ``mpnas``, one module each.

Each is one Python call, and imports what takes long when it is run, after its first line of output.
"""

from mpnas_ray.own_packages import put_first

put_first()  # before the commands import packages that a user's folder may have, too
