"""Storage that speaks S3, on this machine, and can be away for a while: for benchmarks/failures.py."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from pyarrow import fs


class FlakyStorage:
    """A server (moto's) behind a relay that can refuse all connections."""

    def __init__(self) -> None:
        """Choose the ports; ``with`` starts the server."""
        self._behind, self._port = free_port(), free_port()
        self._away = self._num_refused = 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> FlakyStorage:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._behind)]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._relay, daemon=True).start()
        for port in (self._behind, self._port):
            _wait_for(port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._server.kill()
        self._server.wait()

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which Arrow finds the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> str:
        """Make a bucket, and return its URI."""
        self._files().create_dir(name)
        return f"s3://{name}"

    def be_away(self, seconds: float) -> int:
        """Cut all connections and refuse new ones; return the number of those refused or cut."""
        self._num_refused, self._away = 0, 1
        self._loop.call_soon_threadsafe(self._cut)
        time.sleep(seconds)
        self._away = 0
        return self._num_refused

    def download(self, bucket: str, folder: Path) -> Path:
        """Copy all of a bucket into a folder."""
        fs.copy_files(bucket, str(folder), source_filesystem=self._files(), destination_filesystem=fs.LocalFileSystem())
        return folder

    def _files(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key="nobody",
            secret_key="nothing",
            endpoint_override=f"127.0.0.1:{self._behind}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def _relay(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._pass_on, "127.0.0.1", self._port))
        self._loop.run_forever()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            self._num_refused += 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._away:
            self._num_refused += 1
            writer.transport.abort()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        self._writers.add(writer)
        try:
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
        finally:
            self._writers.discard(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:  # noqa: PERF203
            time.sleep(0.1)
    raise RuntimeError(f"Nothing listens at port {port}.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
