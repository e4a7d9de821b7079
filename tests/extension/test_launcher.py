"""Finding or starting the service: real processes, real sockets, a stand-in for the service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from jupyters import STANDIN, kill_service
from running import wait_until

from jupyter_uws import launcher, rendezvous
from jupyter_uws.launcher import Launcher, NoAnswer, ServiceError


def starts(state_dir: Path) -> int:
    """How many services were begun in the folder, losers of a race included."""
    return len((state_dir / "starts").read_text().splitlines())


async def pid_of(state_dir: Path) -> int:
    health = await launcher.health(state_dir)
    assert health
    return int(health["pid"])


async def start_other(state_dir: Path, *options: str) -> None:
    """Start a stand-in of another version by hand, and wait until it listens."""
    path = rendezvous.socket_path(state_dir)
    command = [*STANDIN, *options, "--socket", str(path), "--state-dir", str(state_dir)]
    await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(10):
        while await launcher.health(state_dir) is None:
            await asyncio.sleep(0.02)


async def test_started_once_and_found_again(state_dir: Path) -> None:
    first = Launcher(str(state_dir), STANDIN)
    for connection in await asyncio.gather(*(first.connect() for _ in range(5))):
        connection.close()
    pid = await pid_of(state_dir)
    (await Launcher(str(state_dir), STANDIN).connect()).close()
    assert await pid_of(state_dir) == pid
    assert starts(state_dir) == 1


async def test_a_start_race_leaves_one(state_dir: Path) -> None:
    racers = [Launcher(str(state_dir), [*STANDIN, "--delay", "0.1"]) for _ in range(3)]
    for connection in await asyncio.gather(*(racer.connect() for racer in racers)):
        connection.close()
    pid = await pid_of(state_dir)

    def mine() -> list[int]:
        return [p.pid for p in psutil.process_iter(["cmdline"]) if str(state_dir) in (p.info["cmdline"] or ())]

    wait_until(lambda: mine() == [pid])  # the losers have ended
    assert starts(state_dir) == 3  # all three tried


async def test_detached_and_without_jupyters_secrets(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN", "CONFIGPROXY_AUTH_TOKEN", "JUPYTERHUB_USER"):
        monkeypatch.setenv(name, "value")
    await launcher.find_or_start(state_dir, STANDIN)
    process = psutil.Process(await pid_of(state_dir))
    assert os.getsid(process.pid) == process.pid
    assert process.cwd() == "/"
    environment = process.environ()
    assert environment["JUPYTERHUB_USER"] == "value"
    assert not [name for name in environment if name.endswith("TOKEN")]
    assert (state_dir / "service.log").stat().st_mode & 0o777 == 0o600


async def test_killed_service_is_replaced_and_leaves_no_zombie(state_dir: Path) -> None:
    mine = Launcher(str(state_dir), STANDIN)
    (await mine.connect()).close()
    pid = await pid_of(state_dir)
    kill_service(state_dir)
    (await mine.connect()).close()
    assert await pid_of(state_dir) != pid
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("left", ["stale socket", "plain file", "nothing"])
async def test_what_lies_at_the_sockets_place_does_not_matter(state_dir: Path, left: str) -> None:
    path = rendezvous.socket_path(state_dir)
    if left == "stale socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    elif left == "plain file":
        path.write_text("not a socket")
    assert await launcher.find_or_start(state_dir, STANDIN) == path
    assert await pid_of(state_dir)


@pytest.mark.parametrize("said", ["the archive is broken", ""])
async def test_death_at_the_start_tells_its_last_word(state_dir: Path, said: str) -> None:
    log = state_dir / "service.log"
    log.write_text("an old line\n")
    dies = [sys.executable, "-c", f"import sys; print('Traceback'); sys.exit({said!r} or 2)"]
    mine = Launcher(str(state_dir), dies)
    results = await asyncio.gather(*(mine.connect() for _ in range(3)), return_exceptions=True)
    word, status = (said, 1) if said else ("Traceback", 2)
    assert {str(error) for error in results} == {
        f"The UWS service ended at its start (status {status}): {word}; see {log}"
    }
    assert log.read_text().count("Traceback") == 1  # three asked, one was started


async def test_a_command_that_is_not_there(state_dir: Path) -> None:
    with pytest.raises(ServiceError, match="could not be started: no-such-program: No such file"):
        await launcher.find_or_start(state_dir, ["no-such-program"])


async def test_a_service_that_never_listens(state_dir: Path) -> None:
    rendezvous.announce(state_dir, rendezvous.ServiceInfo(rendezvous.hostname(), 1, 1, "", None, None, ""))
    began = time.monotonic()
    with pytest.raises(ServiceError, match=r"No UWS service answered within 0\.3 s \(started as pid"):
        await launcher.find_or_start(state_dir, [sys.executable, "-c", "import time; time.sleep(20)"], 0.3)
    assert time.monotonic() - began < 15


async def test_the_holder_that_is_just_ending_is_waited_for(state_dir: Path) -> None:
    """It has removed its socket but still holds the lock: the first one spawned loses, the second wins."""
    command = [*STANDIN, "--linger", "0.4"]
    path = await launcher.find_or_start(state_dir, command)
    first = await pid_of(state_dir)
    os.kill(first, signal.SIGTERM)
    while path.exists():
        await asyncio.sleep(0.01)
    await launcher.find_or_start(state_dir, command)
    assert await pid_of(state_dir) != first


async def test_a_holder_by_hand_without_a_socket_is_named(state_dir: Path) -> None:
    with rendezvous.hold_lock(state_dir):
        info = rendezvous.ServiceInfo(rendezvous.hostname(), 77, 1, "", None, "http://127.0.0.1:1/", "")
        rendezvous.announce(state_dir, info)
        with pytest.raises(ServiceError, match=r"pid 77, http://127.0.0.1:1/\) was started by hand"):
            await launcher.find_or_start(state_dir, STANDIN)


async def test_older_and_idle_is_replaced(state_dir: Path) -> None:
    await start_other(state_dir, "--protocol", str(rendezvous.PROTOCOL - 1), "--linger", "0.3")
    old = await pid_of(state_dir)
    (await Launcher(str(state_dir), STANDIN).connect()).close()
    health = await launcher.health(state_dir)
    assert health
    assert health["protocol"] == rendezvous.PROTOCOL
    assert health["pid"] != old


async def test_older_and_busy_is_left_and_named(state_dir: Path) -> None:
    await start_other(state_dir, "--protocol", str(rendezvous.PROTOCOL - 1), "--active", "2")
    old = await pid_of(state_dir)
    with pytest.raises(ServiceError, match=rf"version 0.0.1, pid {old} on .* older .* has 2 active jobs") as caught:
        await Launcher(str(state_dir), STANDIN).connect()
    assert caught.value.status == 503
    assert await pid_of(state_dir) == old


async def test_newer_is_left_and_named(state_dir: Path) -> None:
    await start_other(state_dir, "--protocol", str(rendezvous.PROTOCOL + 1))
    with pytest.raises(ServiceError, match="newer than this Jupyter server: restart Jupyter"):
        await Launcher(str(state_dir), STANDIN).connect()


async def test_full_backlog_is_no_reason_to_start_another(state_dir: Path) -> None:
    path = rendezvous.socket_path(state_dir)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        queued = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            queued.append(client)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        with pytest.raises(TimeoutError):
            await launcher.open_socket(path, timeout=0.1)
        with pytest.raises(NoAnswer):
            await launcher.health(state_dir, timeout=0.1)
        timer = threading.Timer(0.2, lambda: [listener.accept()[0].close() for _ in range(len(queued) - 1)])
        timer.start()
        (await launcher.open_socket(path, timeout=5)).close()
        for client in queued:
            client.close()
        timer.join()
    assert not (state_dir / "starts").exists()


async def test_stopped_service_is_named(state_dir: Path) -> None:
    await launcher.find_or_start(state_dir, STANDIN)
    pid = await pid_of(state_dir)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(NoAnswer, match=rf"pid {pid} on .*{state_dir}.* did not answer within 0.2 s") as caught:
        await launcher.health(state_dir, timeout=0.2)
    assert caught.value.status == 504


async def test_what_is_no_uws_service_is_said(state_dir: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_unix_server(rude, rendezvous.socket_path(state_dir)):
        with pytest.raises(ServiceError, match="does not answer as our UWS service"):
            await launcher.find_or_start(state_dir, STANDIN)


async def test_a_service_on_another_host_is_named(state_dir: Path) -> None:
    info = rendezvous.ServiceInfo("node17", 42, 1, "", "/run/x", None, "")
    rendezvous.announce(state_dir, info)
    with pytest.raises(ServiceError, match=r"Your UWS service runs on node17 \(pid 42\)"):
        await launcher.find_or_start(state_dir, STANDIN)
    long_ago = time.time() - 2 * rendezvous.SILENT_AFTER
    os.utime(state_dir / "service.json", (long_ago, long_ago))
    await launcher.find_or_start(state_dir, STANDIN)  # that one has gone
    found = rendezvous.read_info(state_dir)
    assert found
    assert found.is_here


async def test_announced_socket_goes_before_the_computed_one(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service started from a login session is found by a process without XDG_RUNTIME_DIR."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    path = await launcher.find_or_start(state_dir, STANDIN)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert rendezvous.socket_path(state_dir) != path
    assert await launcher.find_or_start(state_dir, STANDIN) == path
    assert starts(state_dir) == 1


async def test_long_log_is_put_aside(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "LOG_LIMIT", 10)
    (state_dir / "service.log").write_text("x" * 11)
    await launcher.find_or_start(state_dir, STANDIN)
    assert (state_dir / "service.log.1").read_text() == "x" * 11
    assert (state_dir / "service.log").stat().st_size < 11
