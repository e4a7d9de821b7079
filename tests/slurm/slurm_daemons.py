"""A real SLURM on this machine, from Debian's packages: a controller and three virtual nodes.

Everything it writes is in one temporary folder, its ports are free ones, its munged is its own: a SLURM
that this machine is already part of is not touched. Needs root (slurmd does). By hand:

    python tests/slurm/slurm_daemons.py     # prints what to export; Ctrl-C takes it down
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: name of the daemon -> the package that has it
PROGRAMS = {"munged": "munge", "slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm"}
NODES = ("n1", "n2", "n3")
CPUS = 4

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldParameters=enable_configless
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.log
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=100000
PropagateResourceLimits=NONE
KillWait=5
MessageTimeout=5
SlurmctldTimeout=10
SlurmdTimeout=10
BatchStartTimeout=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/slurmd.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmctldLogFile={folder}/slurmctld.log
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory=16000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} RealMemory=16000 Gres=gpu:2
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs={cpus} RealMemory=16000 Feature=avx
PartitionName=normal Nodes=n[1-3] Default=YES MaxTime=1-00:00:00 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
PartitionName=small Nodes=n1 MaxTime=00:30:00 MaxNodes=1 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
PartitionName=low Nodes=n2 PriorityTier=1 MaxTime=1-00:00:00 DefMemPerCPU=500 State=UP
PartitionName=high Nodes=n2 PriorityTier=10 MaxTime=1-00:00:00 DefMemPerCPU=500 State=UP
PartitionName=stopped Nodes=n1 MaxTime=1-00:00:00 DefMemPerCPU=500 State=DOWN
"""


@dataclass
class Slurm:
    """A SLURM that runs. Programs find it by ``environment``."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *argv: str, timeout: float = 30) -> str:
        """What a client program (squeue, scontrol, ...) prints. Raises CalledProcessError."""
        done = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=timeout, check=True
        )
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """The jobs that pend or run: id -> state."""
        lines = self.call("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def node_of(self, job: str) -> str:
        return self.call("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()

    def start(self, name: str) -> None:
        """Start a daemon: ``munged``, ``slurmctld``, or the node ``n1``."""
        argv = {
            "munged": [
                *("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket"),
                *(f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid"),
                *(f"--seed-file={self.folder}/munge.seed", f"--log-file={self.folder}/munged.log"),
            ],
            "slurmctld": ["slurmctld", "-D"],
            # a host name of its own: what runs there must not be taken for something on the service's host
        }.get(name, ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec slurmd -D -N "$0"', name])
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                argv, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def stop(self, name: str, signum: int = signal.SIGTERM) -> None:
        """End a daemon that was started here."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(signum)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def idle(self) -> bool:
        """Whether the controller answers and all nodes are up."""
        try:
            states = self.call("sinfo", "--noheader", "--Node", "--partition=normal", "--format=%N %t").split()[1::2]
        except subprocess.CalledProcessError:
            return False
        return len(states) == len(NODES) and set(states) <= {"idle", "mix", "alloc"}

    def up(self) -> None:
        """Start what does not run, and wait until all nodes take jobs."""
        for name in ("munged", "slurmctld", *NODES):
            if name not in self.daemons:
                self.start(name)
            if name == "munged":
                _until((self.folder / "munge.socket").exists, "munged does not listen", self.folder)
        _until(self.idle, "the nodes do not come up", self.folder)

    def cancel_all(self) -> None:
        """End all jobs, and wait until nothing of them is left."""
        self.call("scancel", "--full", f"--user={os.geteuid()}")
        _until(lambda: not self.jobs(), "jobs do not end", self.folder)

    def down(self) -> None:
        """Stop everything that was started here, jobs first."""
        try:
            if "slurmctld" in self.daemons:
                with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                    self.cancel_all()
        finally:
            for name in reversed(list(self.daemons)):
                self.stop(name)
            # step daemons leave the tree of slurmd; our folder's name in their environment tells whose they are
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The live processes, but for this one and its parents, whose SLURM_CONF is ours."""
        mark = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        found = []
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
        return [pid for pid in found if pid != os.getpid()]


@contextlib.contextmanager
def slurm() -> Iterator[Slurm]:
    """A running SLURM; nothing is left of it afterwards."""
    # not below pytest's folders: their names are too long for a socket
    folder = Path(tempfile.mkdtemp(prefix="uws-slurm-"))
    try:
        folder.chmod(0o755)
        for name in ("state", *(f"slurmd.{node}" for node in NODES)):
            (folder / name).mkdir()
        host = re.sub(r"\..*", "", socket.gethostname())
        ports = _free_ports(1 + len(NODES))
        (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, ports=ports, cpus=CPUS))
        # GPUs as far as SLURM is concerned: it counts files
        (folder / "gres.conf").write_text("NodeName=n2 Name=gpu File=/dev/null\nNodeName=n2 Name=gpu File=/dev/zero\n")
        key = os.open(folder / "munge.key", os.O_WRONLY | os.O_CREAT, 0o600)
        with open(key, "wb") as file:
            file.write(os.urandom(128))
        running = Slurm(folder)
        try:
            running.up()
            yield running
        finally:
            running.down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """``count`` free ports in a row, below those the kernel deals out."""
    for first in range(17000, 30000, 10):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return list(range(first, first + count))
    raise OSError("no free ports")


def _until(condition: Callable[[], object], failure: str, folder: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(folder.glob("*.[lo]*[gt]")))
            raise TimeoutError(f"{failure}; the logs say:\n{logs}")
        time.sleep(0.05)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts its background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    begin = time.monotonic()
    with slurm() as it, contextlib.suppress(KeyboardInterrupt):
        print(f"# up after {time.monotonic() - begin:.1f} s; Ctrl-C takes it down")
        print(*(f"export {name}={value}" for name, value in it.environment.items()), sep="\n", flush=True)
        signal.pause()
