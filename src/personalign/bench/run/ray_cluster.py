"""Joining a Ray cluster, or starting one here.

`auto` is the cluster this machine belongs to, `local` starts one here, anything else is an address.
Personalign must be installed on every node (`pip install "personalign[distributed]"`), and a model
that is a folder must lie on all of them.
"""

from __future__ import annotations

import os
import socket

from personalign.errors import MissingPackageError, PersonalignError

CONNECT_SECONDS = 10.0
"""How long the head of a cluster may take to answer at all."""

LOCAL = "local"
"""The address that starts a cluster here."""


def join_cluster(
    address: str,
    *,
    cpus: int,
    purpose: str,
    refuse: type[PersonalignError],
    show_logs: bool = False,
) -> bool:
    """Connect this process to a cluster, unless it is already.

    cpus: how many a cluster that is started here has. purpose: what for, should ray be missing.
    refuse: the error to raise. show_logs: whether what workers log is shown here.
    Returns whether it was this call that connected, so that the caller disconnects.
    Raises MissingPackageError without ray, `refuse` where the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("ray", "distributed", purpose) from error
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it tells its makers over the net
    if ray.is_initialized():
        return False
    try:
        if address == LOCAL:
            ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=show_logs,
                configure_logging=False,
            )
        else:
            _knock(address)
            ray.init(address=address, log_to_driver=show_logs, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise refuse(
            f"The Ray cluster at {address!r} cannot be reached ({error}). Start one with "
            "`ray start --head`, give its address, or use --ray local; where it asks for a token, "
            "set RAY_AUTH_MODE=token."
        ) from error
    return True


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at host:port; Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
