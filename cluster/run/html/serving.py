"""Serve the page of a run to a browser on this machine, drawn anew for each request."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil

from cluster.report.page import page
from cluster.run.reading import read_run
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError

__all__ = ["make_server", "serve"]


def serve(folder: RunFolder, port: int, every_s: float, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        folder: Folder of the run.
        port: Port; 0 for a free one.
        every_s: Seconds after which the browser loads the page again.
        say: Told where the page is.
    """
    with make_server(folder, port, every_s) as server:
        say(f"http://127.0.0.1:{server.server_port} shows {folder.shown}. Ctrl-C ends it.")
        server.serve_forever()


def make_server(folder: RunFolder, port: int, every_s: float) -> ThreadingHTTPServer:
    """Make a server of one page, which only this machine reaches.

    Raises:
        RunError: If the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                self.send_error(404)
                return
            try:
                content = page(read_run(folder)).encode()
            except (OSError, RunError) as error:
                self.send_error(503, explain=str(error))
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Refresh", str(ceil(every_s)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Print nothing for a request."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        raise RunError(f"Port {port} of this machine cannot be used ({error}): name another with --port.") from error
