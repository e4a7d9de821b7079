"""Analysis jobs for a bench: the command that runs one as the service does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: As the service runs it, but that few runs are many enough to fan out.
PROGRAM = (
    "import sys; import jupyter_uws.analysis.{0} as module; from jupyter_uws.jobs.main import main; "
    "module.MANY = 2; sys.exit(main(sys.argv[1:]))"
)


def analysis(name: str, folder: Path, archive: Path, **values: Any) -> str:
    """The argv of a bench's job that runs ``quicklook`` or ``spectrum``; its request is written into ``folder``."""
    entry_point = f"jupyter_uws.analysis.{name}:{name}"
    request = folder / f"{name}-{len(list(folder.iterdir()))}.json"
    request.write_text(json.dumps({"parameters": {"entry_point": entry_point, "values": values}}))
    program = [sys.executable, "-c", PROGRAM.format(name), str(request)]
    return json.dumps(["env", f"JUPYTER_UWS_ARCHIVE={archive}", *program])
