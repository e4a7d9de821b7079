"""Where a service is found: folder, lock, socket, secret, service.json."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uws import rendezvous
from jupyter_uws.rendezvous import AlreadyRunning, RendezvousError, ServiceInfo

INFO = ServiceInfo(rendezvous.hostname(), os.getpid(), 1, "0.1", "/run/x.sock", None, "2026-01-01T00:00:00Z")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    return rendezvous.state_dir(tmp_path / "state")


def test_state_dir_explicit_then_environment_then_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("JUPYTER_UWS_STATE_DIR", raising=False)
    assert rendezvous.state_dir() == tmp_path / "xdg" / "jupyter-uws"
    monkeypatch.setenv("JUPYTER_UWS_STATE_DIR", str(tmp_path / "env"))
    assert rendezvous.state_dir() == tmp_path / "env"
    assert rendezvous.state_dir(tmp_path / "given") == tmp_path / "given"
    assert (tmp_path / "given").stat().st_mode & 0o777 == 0o700


def test_state_dir_open_to_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(RendezvousError, match=r"open to others \(mode 0755\): chmod 700"):
        rendezvous.state_dir(tmp_path)


def test_state_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RendezvousError, match="cannot use the state folder .*file"):
        rendezvous.state_dir(tmp_path / "file")


def test_socket_path_is_short_whatever_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = rendezvous.socket_path(deep)
    assert path.parent == tmp_path / f"uws-{os.getuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path == rendezvous.socket_path(deep) != rendezvous.socket_path(tmp_path)
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert rendezvous.socket_path(deep).parent == Path("/tmp") / f"uws-{os.getuid()}"


def test_socket_folder_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"uws-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(RendezvousError, match="is not a folder"):
        rendezvous.socket_path(tmp_path)


def test_lock_names_the_holder_and_is_freed_by_its_death(folder: Path) -> None:
    code = (
        "import sys, pathlib, os; from jupyter_uws.rendezvous import *; d = pathlib.Path(sys.argv[1]);"
        "l = hold_lock(d); announce(d, ServiceInfo(hostname(), os.getpid(), 1, '', None, None, ''));"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=rf"lock \(pid {holder.pid} on {rendezvous.hostname()}\)"):
            rendezvous.hold_lock(folder)
        holder.kill()
        holder.wait()
        with rendezvous.hold_lock(folder):
            pass


def test_lock_is_not_inherited_by_children(folder: Path) -> None:
    lock = rendezvous.hold_lock(folder)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.close()
        rendezvous.hold_lock(folder).close()
        child.kill()


def test_announced_info_is_private_and_read_back(folder: Path) -> None:
    assert rendezvous.read_info(folder) is None
    rendezvous.announce(folder, INFO)
    assert rendezvous.read_info(folder) == INFO
    assert (folder / "service.json").stat().st_mode & 0o777 == 0o600
    rendezvous.withdraw(folder)
    assert rendezvous.read_info(folder) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "null", "\x00"])
def test_a_damaged_service_json_is_no_info(folder: Path, text: str) -> None:
    (folder / "service.json").write_text(text)
    assert rendezvous.read_info(folder) is None


def test_a_service_elsewhere_counts_while_it_beats(folder: Path) -> None:
    rendezvous.announce(folder, INFO)
    assert rendezvous.runs_elsewhere(folder) is None
    other = replace(INFO, host="another")
    rendezvous.announce(folder, other)
    assert rendezvous.runs_elsewhere(folder) == other
    long_ago = time.time() - rendezvous.SILENT_AFTER - 1
    os.utime(folder / "service.json", (long_ago, long_ago))
    assert rendezvous.runs_elsewhere(folder) is None
    rendezvous.beat(folder)
    assert rendezvous.runs_elsewhere(folder) == other


def test_secret_is_one_and_private(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: rendezvous.secret(folder), range(32)))
    assert len(found) == 1
    assert len(found.pop()) >= 32
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["secret"]


def test_an_empty_secret_is_refused(folder: Path) -> None:
    (folder / "secret").touch()
    with pytest.raises(RendezvousError, match="is empty: remove it"):
        rendezvous.secret(folder)
