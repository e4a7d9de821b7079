"""``jupyter uws serve``: its configuration from files, environment and command line (traitlets).

Files are ``jupyter_uws_config.py`` or ``.json`` in Jupyter's configuration folders, with lines such
as ``c.ServeApp.idle_timeout = 3600``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp, NoStart, base_aliases, base_flags
from traitlets import Bool, Dict, Enum, Float, Integer, List, Set, TraitError, Unicode, default, validate
from traitlets.utils.bunch import Bunch

from .. import rendezvous
from .._version import __version__
from ..execution.cluster import BACKENDS, ClusterConfig
from ..forms import FormLimits
from ..tap.limits import QueryLimits
from ..uws.limits import Limits
from ..uws.store import StoreError
from . import logs
from .anonymous import anonymous_readers
from .app import Service, Settings
from .archive import ArchiveError
from .hub_settings import HubError, HubSettings, hub_settings, listens_on
from .oidc_settings import OIDCError, OIDCSettings, OIDCTraits
from .remotes import remotes
from .resources import maxima
from .targets import resolver_url

#: A service that only the relay can reach ends after this long [s] without job and client.
RELAY_IDLE_TIMEOUT = 12 * 3600.0
#: Workers on a batch system, where nobody said how many.
BATCH_WORKERS = 16

_ALIASES: dict[Any, Any] = {
    **base_aliases,
    "ip": "ServeApp.ip",
    "port": "ServeApp.port",
    "socket": "ServeApp.socket",
    "state-dir": "ServeApp.state_dir",
    "archive": "ServeApp.archive",
    "idle-timeout": "ServeApp.idle_timeout",
    "workers": "ServeApp.workers",
}

_FLAGS: dict[Any, Any] = {
    **base_flags,
    "hub": ({"ServeApp": {"hub": True}}, "Be a service of JupyterHub, for all its users."),
    "anonymous-archive": (
        {"ServeApp": {"anonymous_archive": True}},
        "Open the archive (not the jobs) to readers without a token.",
    ),
}


def _limits(kind: type[Any]) -> Callable[[Mapping[str, Any]], Any]:
    """What makes limits of that kind of a dictionary. It raises ValueError, which names those that there are."""

    known = [field.name for field in fields(kind)]

    def make(given: Mapping[str, Any]) -> Any:
        for name in given:
            if name not in known:
                raise ValueError(f"there is no limit {name!r}; the limits are: {', '.join(known)}")
        return kind(**given)

    return make


#: The settings that are dictionaries, and what reads them.
_PARSERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "form_limits": _limits(FormLimits),
    "tap_limits": _limits(QueryLimits),
    "anonymous_limits": anonymous_readers,
    "resource_limits": partial(maxima, "slurm"),
    "remote_services": remotes,
}


class ServeApp(OIDCTraits, JupyterApp):
    """Serve the archive and the jobs of one user."""

    name = "jupyter-uws-serve"
    version = __version__
    description = __doc__ or ""
    examples = """
    jupyter uws serve --port 8901
    jupyter uws serve --port 8901 --archive hess.duckdb --state-dir /data/uws
    """
    aliases = _ALIASES
    flags = _FLAGS
    classes: list[Any] = []  # noqa: RUF012 (traitlets reads it from the class)

    ip = Unicode("127.0.0.1", help="Address to listen on.").tag(config=True)
    port = Integer(None, allow_none=True, help="Port to listen on; 0 takes a free one. Without --socket: 8901.").tag(
        config=True
    )
    socket = Unicode("", help="Unix socket for the Jupyter server's relay.").tag(config=True)
    state_dir = Unicode("", help="Folder of the jobs ($JUPYTER_UWS_STATE_DIR).").tag(config=True)
    archive = Unicode(
        "", help="The archive file ($JUPYTER_UWS_ARCHIVE); without it the user's, made by simulation if need be."
    ).tag(config=True)
    descriptions = List(
        Unicode(),
        help="Folders of job descriptions (YAML, OPUS VOTable), before $JUPYTER_UWS_DESCRIPTIONS and "
        "'jupyter-uws/jobs' in Jupyter's data folders.",
    ).tag(config=True)
    python_jobs = Bool(
        False,
        help="Offer the job types 'python' and 'notebook': code that the user who runs the service sends. Other users "
        "cannot; but whoever has the token of the service's port can then run any program as you.",
    ).tag(config=True)
    store_url = Unicode("", help="Database of the jobs (SQLAlchemy URL), if not SQLite there.").tag(config=True)
    idle_timeout = Float(
        None,
        allow_none=True,
        help="End after so many seconds without job and client; 0: never. By default never with a port, "
        "and after 12 hours where only the Jupyter server's relay can come, which starts it again.",
    ).tag(config=True)
    job_lifetime_days = Float(30.0, min=0.001, help="Default time from a job's creation to its destruction.").tag(
        config=True
    )
    job_lifetime_max_days = Float(365.0, min=0.001, help="Longest such time a client may ask for.").tag(config=True)
    job_archive_days = Float(
        90.0,
        min=0,
        help="Time for which a destroyed job is kept as ARCHIVED, without files; 0: it disappears at once.",
    ).tag(config=True)
    execution_duration_max = Integer(
        0, min=0, help="Longest run of any job in seconds, beside that of each job type; 0: only that."
    ).tag(config=True)
    user_active_jobs = Integer(0, min=0, help="Jobs that each user may have queued or running; 0: no limit.").tag(
        config=True
    )
    user_stored_jobs = Integer(0, min=0, help="Jobs that each user may have, ARCHIVED ones aside; 0: no limit.").tag(
        config=True
    )
    user_disk_mb = Float(0.0, min=0, help="Megabytes that the files of a user's jobs may take; 0: no limit.").tag(
        config=True
    )
    workers = Integer(
        None,
        allow_none=True,
        min=1,
        help="Jobs that run at the same time, at most; by default one for each processor core of this host, "
        f"{BATCH_WORKERS} on a batch system.",
    ).tag(config=True)
    backend = Enum(
        BACKENDS, default_value="local", help="Where jobs run: on this host, or the batch system dask-jobqueue asks."
    ).tag(config=True)
    backend_options = Dict(help="Options passed on to the backend's Dask cluster class.").tag(config=True)
    resource_limits = Dict(
        help="The most that a job may ask for: 'cores', 'memory' ('64 GiB'), 'gpus', 'walltime' of a worker "
        "('72:00:00'); and what clients may choose: 'partitions', 'accounts', 'constraints' (lists)."
    ).tag(config=True)
    worker_idle_timeout = Float(
        900.0, min=0, help="Seconds after which a worker with nothing to do is given back; 0: never."
    ).tag(config=True)
    admins = Set(Unicode(), help="Owners who may see, abort and delete the jobs of all others; nobody by default.").tag(
        config=True
    )
    hub = Bool(
        False,
        help="Be a service of JupyterHub, for all its users: the Hub tells who calls. Its environment says where it "
        "is; docs/operators/hub.md has what goes into its configuration.",
    ).tag(config=True)
    hub_admin_groups = Set(
        Unicode(), help="Groups of the Hub whose members are administrators, beside 'admins'; none by default."
    ).tag(config=True)
    hub_cache_seconds = Float(
        45.0,
        min=0,
        max=60,
        help="For how long an answer of the Hub holds: so long a token that was revoked may still be taken.",
    ).tag(config=True)
    cors_origins = Set(
        Unicode(),
        help="Origins (https://host) of pages whose scripts may call the service, with tokens; none by default.",
    ).tag(config=True)
    public_url = Unicode(
        help="The URL at which clients find the service where a reverse proxy stands before its port: links begin so."
    ).tag(config=True)
    fetch_hosts = Set(
        Unicode(), help="Hosts whose files jobs may be given by URL although they are not on the public Internet."
    ).tag(config=True)
    fetch_timeout = Float(60.0, min=1.0, help="Time [s] within which a file must come from its URL.").tag(config=True)
    remote_services = Dict(
        help="Services of other observatories that users' browsers reach through this one: name -> {'tap' or 'uws': "
        "its URL, 'title': a text, 'token_file': a file with a token for it, which all users of this service share}."
    ).tag(config=True)
    name_resolver = Unicode(
        help="URL of a Sesame service, such as https://cds.unistra.fr/cgi-bin/nph-sesame, which is told the names that "
        "users of the archive search look up and the shipped list lacks. Empty, the default: nobody is asked."
    ).tag(config=True)
    form_limits = Dict(
        help="How much a request may bring: 'size' and 'value' of parameters and 'files_size' [bytes], how many "
        "'parameters' and 'files', 'timeout' [s] and 'rate' [bytes/s] for a body to arrive."
    ).tag(config=True)
    tap_limits = Dict(
        help="What queries may come to: 'rows' of a result and 'rows_max', 'duration' [s], 'job_duration' and "
        "'job_duration_max' [s] of asynchronous ones, 'memory' and 'disk' [bytes] of each, how many 'queries' run at "
        "a time and how many more are 'waiting'; of tables that are brought along how many 'uploads', 'upload_size' "
        "[bytes], 'upload_rows', 'upload_columns', and 'upload_urls' (True, False)."
    ).tag(config=True)
    anonymous_archive = Bool(
        False,
        help="Open /tap but its jobs, /datalink and /files to readers without a token, read only and within "
        "anonymous_limits. Jobs stay closed.",
    ).tag(config=True)
    anonymous_limits = Dict(
        help="As tap_limits, for all anonymous readers together: 'rows', 'rows_max', 'duration', 'queries' at a time, "
        "'uploads', 'upload_size', 'upload_rows', 'upload_columns', 'upload_urls'; and 'requests' open at a time."
    ).tag(config=True)
    metrics_port = Integer(
        None,
        allow_none=True,
        min=0,
        max=65535,
        help="Port of 127.0.0.1 where Prometheus may read /metrics and nobody is asked who calls; none by default.",
    ).tag(config=True)
    log_json = Bool(
        False, help="Log JSON objects, one a line, and each change of a job's phase, with 'job_id' and 'owner'."
    ).tag(config=True)
    verbose = Bool(False, help="Log every request.").tag(config=True)

    config_file_name = Unicode("jupyter_uws_config")

    @validate("cors_origins")
    def _check_origins(self, proposal: Bunch) -> set[str]:
        for origin in proposal["value"]:
            if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?", origin):
                raise TraitError(f"cors_origins: {origin!r} is not an origin such as https://host or http://host:8000")
        return set(proposal["value"])

    @validate("public_url")
    def _check_public_url(self, proposal: Bunch) -> str:
        url = str(proposal["value"])
        if url and not re.fullmatch(r"https?://[^\s/?#\"<>]+(/[^\s?#\"<>]*)?", url):
            raise TraitError(f"public_url: {url!r} is not a URL such as https://host/prefix/")
        return url if not url or url.endswith("/") else f"{url}/"

    @validate("name_resolver")
    def _check_name_resolver(self, proposal: Bunch) -> str:
        try:
            return resolver_url(str(proposal["value"]))
        except ValueError as error:
            raise TraitError(f"name_resolver: {error}") from None

    @validate(*_PARSERS)
    def _check(self, proposal: Bunch) -> Any:
        name = proposal["trait"].name
        try:
            _PARSERS[name](proposal["value"])
        except ValueError as error:
            raise TraitError(f"{name}: {error}") from None
        return proposal["value"]

    @default("log_level")
    def _log_level(self) -> int:
        return logging.INFO

    def settings(self, token: str) -> Settings:
        """The configuration as the service takes it. Raises RendezvousError for a bad folder."""
        archive = self.archive or os.environ.get("JUPYTER_UWS_ARCHIVE", "")
        state_dir = rendezvous.state_dir(self.state_dir or None)
        hub = self._hub()
        ip, port = self._listens_on(hub)
        return Settings(
            state_dir=state_dir,
            # the default place is allowed to be empty, a file that was named is not
            archive=Path(archive).expanduser().absolute() if archive else None,
            python_jobs=self.python_jobs,
            descriptions=tuple(Path(folder) for folder in self.descriptions),
            # always there: a Jupyter server finds a service that was started by hand, too
            socket=Path(self.socket) if self.socket else rendezvous.socket_path(state_dir),
            ip=ip,
            port=port,
            hub=hub,
            oidc=self._oidc(port),
            cors_origins=frozenset(self.cors_origins),
            metrics_port=self.metrics_port,
            log_jobs=self.log_json,
            token=token if port is not None and hub is None else None,
            public_url=self.public_url or None,
            admins=frozenset(self.admins),
            fetch_hosts=frozenset(host.lower() for host in self.fetch_hosts),
            fetch_timeout=self.fetch_timeout,
            form_limits=FormLimits(**self.form_limits),
            query_limits=QueryLimits(**self.tap_limits),
            anonymous=anonymous_readers(self.anonymous_limits) if self.anonymous_archive else None,
            store_url=self.store_url or None,
            idle_timeout=self._idle_timeout(port),
            limits=self._limits(),
            remotes=remotes(self.remote_services),
            name_resolver=self.name_resolver,
            cluster=self.cluster(),
        )

    def _hub(self) -> HubSettings | None:
        if not self.hub:
            return None
        if self.python_jobs:
            raise HubError("python_jobs lets clients run code as the user who runs the service: not with --hub")
        return hub_settings(frozenset(self.hub_admin_groups), self.hub_cache_seconds)

    def _oidc(self, port: int | None) -> OIDCSettings | None:
        oidc = self.oidc_settings()
        if oidc is None:
            return None
        if self.hub or port is None:
            raise OIDCError("oidc_issuer is for a service with a port and without --hub, where the Hub tells who calls")
        if self.python_jobs:
            raise OIDCError("python_jobs lets clients run code as the user who runs the service: not with oidc_issuer")
        return oidc

    def _listens_on(self, hub: HubSettings | None) -> tuple[str, int | None]:
        """Address and port: those of the command line, else where the Hub's proxy will ask, else our own."""
        if self.port is None and hub is not None:
            return listens_on(hub) or (self.ip, 8901)
        if self.port is None and not self.socket:
            return self.ip, 8901
        return self.ip, self.port

    def _idle_timeout(self, port: int | None) -> float:
        if self.idle_timeout is not None:
            return max(float(self.idle_timeout), 0.0)
        return RELAY_IDLE_TIMEOUT if port is None else 0.0

    def _limits(self) -> Limits:
        return Limits(
            lifetime=timedelta(days=self.job_lifetime_days),
            lifetime_max=timedelta(days=self.job_lifetime_max_days),
            archive_time=timedelta(days=self.job_archive_days),
            execution_duration_max=self._longest(),
            active=self.user_active_jobs,
            stored=self.user_stored_jobs,
            disk=int(1e6 * self.user_disk_mb),
        )

    def _longest(self) -> int:
        """The longest run of any job: what the operator says, and what fits into a worker's walltime."""
        return int(min(filter(None, (self.execution_duration_max, self.cluster().longest)), default=0))

    def cluster(self) -> ClusterConfig:
        """Where jobs run, and how many at once."""
        workers = self.workers or (os.cpu_count() or 1 if self.backend == "local" else BATCH_WORKERS)
        options = dict(self.backend_options)
        return ClusterConfig(
            self.backend,
            workers,
            options,
            idle_timeout=self.worker_idle_timeout,
            maxima=maxima(self.backend, self.resource_limits),
        )

    def initialize(self, argv: list[str] | None = None) -> None:
        super().initialize(argv)
        logs.set_up(as_json=self.log_json, verbose=self.verbose)

    def start(self) -> None:
        try:
            super().start()
        except NoStart:
            return
        # taken out of the environment, so that no child process inherits it
        given = os.environ.pop("JUPYTER_UWS_TOKEN", "")
        try:
            try:
                settings = self.settings(given or secrets.token_urlsafe(24))
            except ValueError as error:
                print(f"jupyter uws serve: backend_options: {error}", file=sys.stderr)
                self.exit(1)
            with rendezvous.hold_lock(settings.state_dir):
                asyncio.run(_serve(settings, token_is_new=not given))
        except rendezvous.AlreadyRunning as error:
            print(f"jupyter uws serve: {error}", file=sys.stderr)
            self.exit(rendezvous.EXIT_ALREADY_RUNNING)
        except (rendezvous.RendezvousError, StoreError, ArchiveError, HubError, OIDCError) as error:
            print(f"jupyter uws serve: {error}", file=sys.stderr)
            self.exit(1)
        except OSError as error:
            where = f"{self.ip}:{self.port}" if self.port is not None else self.socket
            print(f"jupyter uws serve: cannot listen on {where}: {error.strerror}", file=sys.stderr)
            self.exit(1)


async def _serve(settings: Settings, token_is_new: bool) -> None:
    def ready(url: str | None) -> None:
        if url is not None:
            print(f"jupyter_uws serves {url}", flush=True)
            if token_is_new and settings.token:
                print(f"token: {settings.token}", flush=True)

    await Service(settings).run(ready)
