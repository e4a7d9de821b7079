"""``python -m jupyter_uws …`` is ``jupyter uws …``. Kept tiny: Dask's worker processes import it anew."""

import sys

if __name__ == "__main__":
    from .cli import main

    sys.exit(main())
