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
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # run by hand

from daemons import Daemons, by_hand, free_ports

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


class Slurm(Daemons):
    """A SLURM that runs."""

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

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
        self.launch(name, argv)

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
                self.until((self.folder / "munge.socket").exists, "munged does not listen")
        self.until(self.idle, "the nodes do not come up")

    def end_jobs(self) -> None:
        """End all jobs, and wait until nothing of them is left."""
        self.call("scancel", "--full", f"--user={os.geteuid()}")
        self.until(lambda: not self.jobs(), "jobs do not end")


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
        ports = free_ports(1 + len(NODES))
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


if __name__ == "__main__":
    by_hand(slurm)
