"""What JupyterHub tells its services in their environment, the same for managed and external ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

#: An external service needs to be told what a managed one is.
NEEDED = ("JUPYTERHUB_SERVICE_NAME", "JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN")


class HubError(Exception):
    """This cannot be a service of a Hub; the text says what is missing."""


@dataclass(frozen=True)
class HubSettings:
    """``prefix`` is the path of the service below the Hub's proxy, with slashes at both ends; it listens on ``url``.

    Members of ``admin_groups`` are administrators. The Hub's answers hold for ``keep`` seconds.
    """

    name: str
    prefix: str
    url: str
    admin_groups: frozenset[str]
    keep: float


def hub_settings(admin_groups: frozenset[str], keep: float) -> HubSettings:
    """As the Hub tells them in the environment. Raises HubError."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise HubError(f"--hub needs what JupyterHub tells its services, but there is no ${', $'.join(missing)}")
    prefix = "/" + os.environ["JUPYTERHUB_SERVICE_PREFIX"].strip("/") + "/"
    name, url = os.environ["JUPYTERHUB_SERVICE_NAME"], os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    return HubSettings(name, prefix, url, admin_groups, keep)


def listens_on(settings: HubSettings) -> tuple[str, int] | None:
    """Address and port of the service's URL; None where it has none that says so."""
    parts = urlsplit(settings.url)
    try:
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None
    except ValueError:
        raise HubError(f"$JUPYTERHUB_SERVICE_URL is {settings.url!r}, allowed is http://HOST:PORT") from None
