"""Where a service is found: state folder, lock, socket, secret and ``service.json``.

The Jupyter Server extension, the command line and the service itself meet here and
nowhere else. The rule that makes a start race impossible: the *service* holds a
``flock`` on its state folder for its life, so the kernel frees it on any death and
whoever comes second ends. Everybody else just connects.

Standard library only: the extension must stay light.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

#: Spoken between extension and service; raised when either can no longer talk to the other's last version.
PROTOCOL: int = 1

#: Exit status of a service that found another one holding its state folder.
EXIT_ALREADY_RUNNING: int = 3

#: How often [s] the service calls `beat`, and after how long [s] without it other hosts take it for gone.
HEARTBEAT: float = 60.0
SILENT_AFTER: float = 5 * HEARTBEAT

#: ``sun_path`` of ``struct sockaddr_un`` on Linux has 108 bytes, the last a zero.
SUN_PATH_LIMIT: int = 107


class RendezvousError(RuntimeError):
    """The state or socket folder cannot be used; the message says why and what to do."""


class AlreadyRunning(RendezvousError):
    """Another service holds the state folder."""

    def __init__(self, folder: Path, info: ServiceInfo | None) -> None:
        holder = f"pid {info.pid} on {info.host}" if info else "its service.json is not there yet"
        super().__init__(f"another UWS service holds {folder / 'lock'} ({holder})")
        self.folder = folder
        self.info = info


@dataclass(frozen=True)
class ServiceInfo:
    """What ``service.json`` says of the service that holds, or last held, the folder.

    ``socket`` is the path of its unix socket, ``url`` the root it serves on TCP, or None
    where it does not; ``started`` is UTC, ISO 8601.
    """

    host: str
    pid: int
    protocol: int
    version: str
    socket: str | None
    url: str | None
    started: str

    @property
    def is_here(self) -> bool:
        """Whether it was announced by a service on this host."""
        return self.host == hostname()


def hostname() -> str:
    """This host's name, as `ServiceInfo` carries it."""
    return socket.gethostname()


def state_dir(explicit: str | os.PathLike[str] | None = None) -> Path:
    """The state folder, made if it is not there (mode 0700).

    `explicit`, else ``$JUPYTER_UWS_STATE_DIR``, else ``$XDG_STATE_HOME/jupyter-uws``.
    Raises `RendezvousError` where it is no folder, is another user's, or is open to others.
    """
    chosen = explicit or os.environ.get("JUPYTER_UWS_STATE_DIR")
    folder = Path(chosen).expanduser().absolute() if chosen else _xdg_state_home() / "jupyter-uws"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder, folder.stat())
    except OSError as error:
        raise RendezvousError(f"cannot use the state folder {folder}: {error.strerror}") from error
    return folder


def socket_path(state_dir: Path) -> Path:
    """The unix socket of this host's service for that state folder; its folder is made (0700).

    Short and on a local disk, because a state folder may be neither: ``uws-<uid>/`` in
    ``$XDG_RUNTIME_DIR``, else in ``/tmp``. Raises `RendezvousError` where that folder is
    a link, another user's, or open to others.
    """
    name = hashlib.sha256(f"{hostname()}:{os.path.realpath(state_dir)}".encode()).hexdigest()[:16] + ".sock"
    folder = f"uws-{os.getuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    path = Path(runtime, folder, name)
    if not (os.path.isabs(runtime) and os.path.isdir(runtime)) or len(os.fsencode(path)) > SUN_PATH_LIMIT:
        path = Path("/tmp", folder, name)  # noqa: S108 (checked below)
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
        # lstat: in /tmp anybody could have put a link there before us
        _check_private(path.parent, path.parent.lstat())
    except OSError as error:
        raise RendezvousError(f"cannot use the socket folder {path.parent}: {error.strerror}") from error
    return path


class Lock:
    """A held state folder. Closing it, or the end of the process, lets it go."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Let the folder go; closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def hold_lock(state_dir: Path) -> Lock:
    """Take the folder for this process's life, or raise `AlreadyRunning`.

    The file stays when the lock is let go: unlinking it would let two processes hold
    two different files of the same name. Children do not inherit it.
    """
    fd = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise AlreadyRunning(state_dir, read_info(state_dir)) from None
    except OSError as error:
        os.close(fd)
        raise RendezvousError(
            f"cannot lock {state_dir / 'lock'}: {error.strerror}; "
            "set JUPYTER_UWS_STATE_DIR to a folder on a file system with locks"
        ) from error
    return Lock(fd)


def announce(state_dir: Path, info: ServiceInfo) -> None:
    """Write ``service.json`` (atomically, 0600). Only the holder of the lock may."""
    temporary = _write_private(state_dir, json.dumps(asdict(info), indent=1) + "\n")
    os.replace(temporary, state_dir / "service.json")


def beat(state_dir: Path) -> None:
    """Say that the service still lives, for other hosts that share the folder (every `HEARTBEAT`)."""
    os.utime(state_dir / "service.json")


def withdraw(state_dir: Path) -> None:
    """Remove ``service.json`` at a clean end of the service."""
    (state_dir / "service.json").unlink(missing_ok=True)


def read_info(state_dir: Path) -> ServiceInfo | None:
    """What ``service.json`` says, or None where there is none that can be read.

    It may be stale on this host: only a connection tells whether the service lives.
    """
    try:
        data = json.loads((state_dir / "service.json").read_text())
        return ServiceInfo(**{field.name: data[field.name] for field in fields(ServiceInfo)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def runs_elsewhere(state_dir: Path) -> ServiceInfo | None:
    """The service of another host that beats in this folder, or None.

    Where a home folder is shared, a second service here would write to the same job
    store, and neither locks nor SQLite can be trusted between hosts.
    """
    info = read_info(state_dir)
    if info is None or info.is_here:
        return None
    try:
        silent = time.time() - (state_dir / "service.json").stat().st_mtime
    except FileNotFoundError:
        return None
    return info if silent < SILENT_AFTER else None


def secret(state_dir: Path) -> str:
    """The relay's secret, made on the first call (0600)."""
    path = state_dir / "secret"
    if not path.exists():
        temporary = _write_private(state_dir, secrets.token_urlsafe(32))
        # link, not write in place: nobody can ever read a half-written secret, and the first one stays
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        os.unlink(temporary)
    value = path.read_text().strip()
    if not value:
        raise RendezvousError(f"{path} is empty: remove it, a new one is made")
    return value


def _xdg_state_home() -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    return Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"


def _check_private(folder: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise RendezvousError(f"{folder} is not a folder")
    if status.st_uid != os.getuid():
        raise RendezvousError(f"{folder} belongs to uid {status.st_uid}, not to you (uid {os.getuid()})")
    if status.st_mode & 0o077:
        raise RendezvousError(
            f"{folder} is open to others (mode {stat.S_IMODE(status.st_mode):04o}): chmod 700 {folder}"
        )


def _write_private(folder: Path, text: str) -> str:
    """A new file in `folder`, 0600 as mkstemp makes it; returns its path."""
    fd, path = tempfile.mkstemp(dir=folder, prefix=".new-")
    with os.fdopen(fd, "w") as file:
        file.write(text)
    return path
