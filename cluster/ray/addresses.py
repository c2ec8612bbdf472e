"""Check whether a Ray answers at an address before Ray itself tries to: its own clients wait one to two minutes.

Addresses are found as Ray finds them, by functions that are not part of its documented interface
(tests/cluster/ray/test_contracts.py).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc
import ray
import requests
from ray.exceptions import RayError

from mpnas_ray.errors import RunError
from mpnas_ray.ray_versions import check_ray_version, relying_on_ray

with relying_on_ray():
    from ray._private import services
    from ray._private.grpc_utils import init_grpc_channel
    from ray.dashboard.utils import get_address_for_submission_client

__all__ = ["check_ray", "find_dashboard", "given_address", "in_one_line", "named_by_address_alone"]

T = TypeVar("T")

ANSWER_S = 5.0
"""Seconds to wait for an answer, which takes milliseconds where there is one."""

_GCS = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_CLIENT_SERVER = "/ray.rpc.RayletDriver/ClusterInfo"
"""Methods that are called at ``host:port`` and at ``ray://host:port``: Ray has them, and other servers do not."""

_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


def check_ray() -> None:
    """Make sure that `ray.init` will find the cluster that it is to join, if it is to join one.

    That is the one at ``RAY_ADDRESS``, or else the one that ``ray start`` began on this machine. No server is asked
    where Ray runs already in this process.

    Raises:
        UntestedRayError: If the version of Ray is not one that is tested.
        RunError: If the address is malformed, or if no Ray answers there within `ANSWER_S` seconds.
    """
    check_ray_version()
    if ray.is_initialized():
        return
    given = os.environ.get("RAY_ADDRESS", "")
    try:
        _within(2 * ANSWER_S, _check_ray, given)
    except (OSError, ValueError, RuntimeError, RayError) as error:  # a missing token is one of the last two
        where = f"RAY_ADDRESS={given}" if given else "The cluster that was started on this machine"
        advice = (
            "Set it to host:port of a running cluster, as `ray start` prints it, or unset it to start Ray here."
            if given
            else "If it has gone, `ray stop` forgets it; RAY_ADDRESS=local starts another one."
        )
        raise RunError(f"{where} cannot be used: {in_one_line(error)} {advice}") from error


def _check_ray(given: str) -> None:
    scheme, separator, _ = given.partition("://")
    if scheme in ("http", "https"):
        raise ValueError("This is the address of a dashboard, which takes jobs by `mpnas submit`.")
    if scheme == "ray":
        raise ValueError(
            "Nothing is run here through Ray's client: Tune needs a program on a node of the cluster, and `mpnas "
            "submit` starts one there."
        )
    if separator:
        return  # other schemes name modules, which Ray imports
    if given not in ("", "auto", "local"):
        _checked_address(given)
    address = services.canonicalize_bootstrap_address(given or None)  # type: ignore[arg-type]
    if address is not None:
        _check_server(address, _GCS)


def find_dashboard(address: str | None = None) -> str:
    """Return the URL of a cluster's dashboard, which answers.

    Args:
        address: Address of the cluster, as for `cluster.ray.jobs.submit_job`.

    Raises:
        OSError: If no dashboard answers there within twice `ANSWER_S` seconds.
        ValueError: If the address is malformed.
        RuntimeError: If Ray asks for a token and there is none.
    """
    given = given_address(address)
    with named_by_address_alone():
        return _within(2 * ANSWER_S, _find_dashboard, given)


def given_address(address: str | None) -> str:
    """Return the address, or else that of Ray's variables, or else an empty text.

    Ray's own client prefers the variables to the address that it is given.
    """
    return address or next(filter(None, map(os.environ.get, _VARIABLES)), "")


def _find_dashboard(given: str) -> str:
    scheme, separator, rest = given.partition("://")
    if scheme in ("http", "https"):
        url = given.rstrip("/")
        _check_dashboard(url)
        return url
    if separator:
        if scheme == "ray":
            _check_server(_checked_address(rest, default_port=10001), _CLIENT_SERVER)
    elif given in ("", "auto"):
        _check_server(services.canonicalize_bootstrap_address_or_die("auto"), _GCS)
    else:
        url = f"http://{_checked_address(given)}"
        try:
            _check_dashboard(url)
            return url
        except ConnectionError as no_dashboard:  # the cluster itself may answer there, and knows its dashboard
            try:
                _check_server(services.canonicalize_bootstrap_address(given) or given, _GCS)
            except (OSError, ValueError):
                raise no_dashboard from None
    return str(get_address_for_submission_client(given or None))


@contextmanager
def named_by_address_alone() -> Iterator[None]:
    """Take Ray's variables out of this process' environment: its job client prefers them to the address it is given."""
    before = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _checked_address(text: str, default_port: int | None = None) -> str:
    """Return the address as ``host:port``."""
    found = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::(?P<port>\d+))?/?", text)
    port = int(found["port"] or default_port or 0) if found else 0
    if found is None or not 0 < port < 2**16:
        raise ValueError(f"{text!r} is not host:port with a port from 1 to 65535.")
    return f"{found['host']}:{port}"


def _check_server(address: str, method: str) -> None:
    """Call a method of Ray's that takes an empty message; any answer proves a Ray, unless it knows no such method."""
    channel = init_grpc_channel(address, [("grpc.enable_http_proxy", 0)])  # as Ray itself connects
    try:
        channel.unary_unary(method)(b"", timeout=ANSWER_S)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError(f"Failed to connect: no Ray answered in {ANSWER_S:g} s.") from error
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            raise ConnectionError(
                f"Failed to connect: no Ray answers there ({_last_clause(error.details())})."
            ) from error
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            raise ConnectionError("What answers there is not the address of a Ray cluster.") from error
    finally:
        channel.close()


def _check_dashboard(url: str) -> None:
    """Ask for the page that Ray's job client asks for first."""
    try:
        answer = requests.get(f"{url}/api/version", timeout=ANSWER_S)
    except requests.Timeout as error:
        raise TimeoutError(f"Failed to connect: no dashboard answered in {ANSWER_S:g} s.") from error
    except requests.exceptions.SSLError as error:
        raise ConnectionError("Failed to connect: no trusted certificate, or http:// is spoken there.") from error
    except requests.ConnectionError as error:
        raise ConnectionError(f"Failed to connect: no dashboard answers there ({_last_clause(str(error))}).") from error
    if answer.status_code in (401, 403):
        return  # it wants a token, which Ray's job client has or will say is missing
    try:
        known = answer.ok and "ray_version" in answer.json()
    except (ValueError, TypeError):
        known = False
    if not known:
        raise ConnectionError(f"What answers there (HTTP {answer.status_code}) is not a Ray dashboard.")


def _last_clause(text: str | None) -> str:
    """Return the last clause of a message, which is that of the innermost of nested errors."""
    return in_one_line(Exception((text or "").rsplit(": ", 1)[-1])).strip("\"'(). ") or "no reason given"


def in_one_line(error: BaseException) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _within(seconds: float, function: Callable[[str], T], argument: str) -> T:
    """Call a function that may wait for ever, such as for a name server, and return its value.

    Raises:
        TimeoutError: If it has not returned in time.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            values.append(function(argument))
        except BaseException as error:  # it is raised below
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not values:
        raise TimeoutError(f"No answer in {seconds:g} s.")
    return values[0]
