"""The subcommands of ``mpnas``, one module each.

Each makes one Python call. Slow imports come after the first line of output, when the command is run.
"""

from mpnas_ray.own_packages import put_first

put_first()  # before the commands import packages that a user's folder may have, too
