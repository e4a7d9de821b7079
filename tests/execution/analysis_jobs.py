"""Analysis jobs for a bench: the command that runs one as the service does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def analysis(name: str, folder: Path, archive: Path, **values: Any) -> str:
    """The argv of a bench's job that runs ``quicklook`` or ``spectrum``; its request is written into ``folder``."""
    entry_point = f"jupyter_uws.analysis.{name}:{name}"
    request = folder / f"{name}-{len(list(folder.iterdir()))}.json"
    request.write_text(json.dumps({"parameters": {"entry_point": entry_point, "values": values}}))
    program = [sys.executable, "-m", "jupyter_uws.jobs.main", str(request)]
    return json.dumps(["env", f"JUPYTER_UWS_ARCHIVE={archive}", *program])
