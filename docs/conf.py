"""Sphinx configuration: ``make docs`` builds with every warning an error."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "jupyter_uws"
author = "jupyter_uws developers"
project_copyright = "2026, jupyter_uws developers"
release = version = runpy.run_path(str(ROOT / "jupyter_uws" / "_version.py"))["__version__"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"jupyter_uws {release}"
html_copy_source = False
