"""A real Grid Engine on this machine, from Debian's packages: a master and one node with six slots.

Everything it writes is in one temporary folder, its ports are free ones, its cell is its own: a Grid
Engine that this machine is already part of is not touched. Needs root (sge_execd does). By hand:

    python tests/sge/gridengine_daemons.py     # prints what to export; Ctrl-C takes it down
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # run by hand

from daemons import Daemons, by_hand, free_ports

#: name of the program -> the package that has it
PROGRAMS = {"sge_qmaster": "gridengine-master", "sge_execd": "gridengine-exec", "qsub": "gridengine-client"}
SLOTS = 6

#: What comes with the packages: programs, and the site's configuration to begin with.
ROOT = Path("/var/lib/gridengine")
SHARE = Path("/usr/share/gridengine")
LIB = Path("/usr/lib/gridengine")

BOOTSTRAP = """\
admin_user              none
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         {common};{folder}/spool
binary_path             /usr/sbin
qmaster_spool_dir       {folder}/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
"""
#: The shell is csh in the first, as in queues that nobody has changed.
QUEUES = {
    "normal.q": {"slots": SLOTS, "shell": "/bin/csh", "shell_start_mode": "posix_compliant"},
    "small.q": {"slots": 1, "h_rt": "00:30:00"},
}


@dataclass
class GridEngine(Daemons):
    """A Grid Engine that runs."""

    ports: Sequence[int] = field(default_factory=lambda: free_ports(2, 17400))
    host: str = field(default_factory=socket.gethostname)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SGE_ROOT": str(self.folder),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(self.ports[0]),
            "SGE_EXECD_PORT": str(self.ports[1]),
        }

    def jobs(self) -> dict[str, str]:
        """The jobs that pend or run: id -> state."""
        rows = [line.split() for line in self.call("qstat", "-u", "*").splitlines()[2:]]
        return {row[0]: row[4] for row in rows}

    def start(self, name: str) -> None:
        """Start a daemon: ``qmaster`` or ``execd``."""
        self.launch(name, [f"sge_{name}"], SGE_ND="1")  # in the foreground

    def stop(self, name: str, signum: int = signal.SIGKILL) -> None:
        """End a daemon at once: asked to end, qmaster may take long over it."""
        super().stop(name, signum)

    def answers(self) -> bool:
        """Whether qmaster does."""
        try:
            return bool(self.call("qconf", "-sconf"))
        except subprocess.CalledProcessError:
            return False

    def idle(self) -> bool:
        """Whether the node has told its load, and its queues take jobs."""
        rows = [line.split() for line in self.call("qstat", "-f").splitlines() if ".q@" in line]
        return len(rows) == len(QUEUES) and all(len(row) == 5 and row[3] != "-NA-" for row in rows)

    def up(self) -> None:
        """Start what does not run, and wait until the node takes jobs."""
        if "qmaster" not in self.daemons:
            self.start("qmaster")
            self.until(self.answers, "qmaster does not answer")
        if "execd" not in self.daemons:
            self.start("execd")
        self.until(self.idle, "the node does not come up")

    def configure(self) -> None:
        """Make the queues, and let the scheduler look every second; qmaster keeps it."""
        self.start("qmaster")
        self.until(self.answers, "qmaster does not answer")
        self.call("qconf", "-as", self.host)
        self._give("-Msconf", self.call("qconf", "-ssconf"), schedule_interval="0:0:1", flush_submit_sec=1)
        template = self.call("qconf", "-sq")
        for name, values in QUEUES.items():
            self._give(
                "-Aq", template, qname=name, hostlist=self.host, load_thresholds="NONE", pe_list="NONE", **values
            )

    def _give(self, option: str, text: str, **values: object) -> None:
        """Hand qconf a file: ``text`` with other values."""
        file = self.folder / "given"
        file.write_text(_edited(text, **values))
        self.call("qconf", option, file)

    def end_jobs(self) -> None:
        """End all jobs, and wait until nothing of them is left."""
        if self.jobs():
            with contextlib.suppress(subprocess.CalledProcessError):  # they have ended meanwhile
                self.call("qdel", "-u", "*")
        self.until(lambda: not self.jobs(), "jobs do not end")


@contextlib.contextmanager
def grid_engine() -> Iterator[GridEngine]:
    """A running Grid Engine; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="uws-sge-"))
    try:
        folder.chmod(0o755)
        running = GridEngine(folder)
        _make_cell(running)
        try:
            running.configure()
            running.up()
            yield running
        finally:
            running.down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_cell(engine: GridEngine) -> None:
    """What qmaster reads at its start."""
    folder, common = engine.folder, engine.folder / "default" / "common"
    for made in (common / "local_conf", folder / "qmaster" / "job_scripts", folder / "execd", folder / "spool"):
        made.mkdir(parents=True)
    for name in ("bin", "lib", "util", "utilbin"):
        (folder / name).symlink_to(ROOT / name)
    (common / "bootstrap").write_text(BOOTSTRAP.format(common=common, folder=folder))
    (common / "act_qmaster").write_text(f"{engine.host}\n")
    # one name for this host, whatever its addresses are resolved to
    names = {"localhost"}
    for address in ("127.0.0.1", socket.gethostbyname(engine.host)):
        with contextlib.suppress(OSError):
            name, others, _ = socket.gethostbyaddr(address)
            names |= {name, *others}
    (common / "host_aliases").write_text(" ".join([engine.host, *sorted(names - {engine.host})]) + "\n")
    (common / "configuration").write_text(
        _edited(
            (SHARE / "default-configuration").read_text(),
            execd_spool_dir=folder / "execd",
            execd_params="INHERIT_ENV=false",  # of the daemon's variables: those of the tests are none of a job's
            gid_range=f"{engine.ports[0] + 10000}-{engine.ports[0] + 10009}",  # another one's is another
            mailer="/bin/true",
            administrator_mail="none",
            min_uid=0,
            min_gid=0,
        )
    )
    engine.call(LIB / "spoolinit", "classic", "libspoolc", f"{common};{folder}/spool", "init")
    for what, given in (
        ("complexes", str(SHARE / "util/resources/centry")),
        ("usersets", str(SHARE / "util/resources/usersets")),
        ("managers", "root"),
    ):
        engine.call(LIB / "spooldefaults", what, given)


def _edited(text: str, **values: object) -> str:
    """Lines of a name and a value, with other values."""
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^{name}\s.*$", f"{name} {value}", text)
        assert count == 1, f"{name} is there {count} times"
    return text


if __name__ == "__main__":
    by_hand(grid_engine)
