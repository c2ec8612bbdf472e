"""Write files whole: whoever reads one, during a write or after a crash, finds the old content or the new one.

The content goes into a file beside the final one, which then takes its name. Writers of the same file do each other no
harm, since each has a file of its own: the last to finish wins. Nothing is forced to the disk (no fsync): a process
that is killed leaves no half a file, a machine that loses its power may.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "write_atomic"]


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Replace a file by this content, text as UTF-8; its folder is made.

    Raises:
        OSError: If it cannot be written; a file that was there is as it was.
    """
    with atomic_path(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, for libraries that write files themselves; the file takes its name at the end.

    After an exception the file that was there is as it was, and what was written is deleted.

    Args:
        path: The final file; its folder is made.

    Yields:
        A path in the same folder, whose ending is ``.part``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
