"""Where the service of this kernel is, when nobody says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import NotConfigured

#: The path of the service below the Jupyter server's base URL.
SERVICE_PATH = "jupyter-uws/"


def discover() -> tuple[str, str]:
    """The URL of the service's root and the token that opens it.

    Raises
    ------
    NotConfigured
        with what to set.
    """
    url = os.environ.get("JUPYTER_UWS_URL", "").strip()
    if url:
        return url, os.environ.get("JUPYTER_UWS_TOKEN", "")
    # A token of ours that is set without a URL is meant for whatever is found.
    own = os.environ.get("JUPYTER_UWS_TOKEN", "")
    found = _hub() or _jupyter_server()
    if found is None:
        raise NotConfigured(
            "No service was found: this is not a kernel of a running Jupyter server. Give url= and token=, "
            "or set JUPYTER_UWS_URL and JUPYTER_UWS_TOKEN (`jupyter uws serve` prints both)."
        )
    return found[0], own or found[1]


def _hub() -> tuple[str, str] | None:
    """The single-user server of JupyterHub: its token has the scope ``access:servers`` for itself."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    token = os.environ.get("JUPYTERHUB_API_TOKEN")
    if not prefix or not token:
        return None
    listening = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
    if listening.scheme in ("http", "https") and listening.port:
        host = listening.hostname or ""
        host = "127.0.0.1" if host in ("", "0.0.0.0", "::", "*") else host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        base = f"{listening.scheme}://{host}:{listening.port}"
    else:
        server = next(_servers_of_this_kernel(), None)
        if server is None:
            raise NotConfigured(
                "This kernel belongs to a JupyterHub, but the URL of its server was not found: "
                "set JUPYTER_UWS_URL to <the server's URL>/jupyter-uws/."
            )
        parts = urlsplit(server["url"])
        base = f"{parts.scheme}://{parts.netloc}"
    return f"{base}{prefix.rstrip('/')}/{SERVICE_PATH}", token


def _jupyter_server() -> tuple[str, str] | None:
    """The Jupyter server that started this kernel, from the file it wrote for its clients."""
    for server in _servers_of_this_kernel():
        url = str(server["url"])
        if not url.startswith(("http://", "https://")):
            raise NotConfigured(
                f"The Jupyter server of this kernel listens on {url.split(':', 1)[0]}, which a kernel cannot call: "
                "set JUPYTER_UWS_URL and JUPYTER_UWS_TOKEN."
            )
        token = str(server.get("token") or "")
        if not token and server.get("password"):
            raise NotConfigured(
                "The Jupyter server of this kernel asks for a password, which a kernel does not know: "
                "start it with a token (--IdentityProvider.token), or set JUPYTER_UWS_URL and JUPYTER_UWS_TOKEN."
            )
        return url.rstrip("/") + "/" + SERVICE_PATH, token
    return None


def _servers_of_this_kernel() -> Iterator[dict[str, Any]]:
    parents = {os.getppid()}
    if (parent := os.environ.get("JPY_PARENT_PID", "")).isdigit():
        parents.add(int(parent))
    parents.discard(1)
    for pid in parents:
        info = _read(_runtime_dir() / f"jpserver-{pid}.json")
        if info is not None and info.get("pid") == pid and info.get("url"):
            yield info


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _runtime_dir() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())
