"""Documents of the Virtual Observatory beside the schemas that STILTS has with it (VOSI, VODataService, TAPRegExt)."""

from __future__ import annotations

import subprocess
from pathlib import Path


def mistakes(stilts: str, path: Path, document: str, root: str) -> str:
    """What is wrong with a document, whose root is to be ``root``; it is written to ``path``."""
    path.write_text(document)
    command = [stilts, "xsdvalidate", "uselocals=true", f"doc={path}", f"topel={root}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return found.stdout if found.returncode == 0 else found.stdout + found.stderr
