"""Tables and images to the programs that are open beside the notebook: TOPCAT, Aladin, DS9, by SAMP 1.3.

The hub, which one of them brings, is on the machine of the kernel, and the files that are sent are, too.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadValue, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import Table
    from pyvo.samp import SAMPIntegratedClient

#: What a program says that it takes (the registry of MTypes at ivoa.net), and in words.
VOTABLE, FITS_TABLE, FITS_IMAGE = "table.load.votable", "table.load.fits", "image.load.fits"
_WORDS = {VOTABLE: "VOTables", FITS_TABLE: "FITS tables", FITS_IMAGE: "FITS images"}


def send_samp(table: Table, to: str | None = None, name: str = "table") -> list[str]:
    """Send rows, as a VOTable, to the programs that are open beside this kernel, or to the one named ``to``.

    Returns the names of the programs; raises as :func:`send_file`.
    """
    from .files import cache_folder
    from .votable import written

    content = written(table)
    path = cache_folder("samp") / f"{hashlib.sha256(content).hexdigest()[:16]}.vot"
    path.write_bytes(content)
    return send_file(VOTABLE, path, name, to)


def send_file(mtype: str, path: Path, name: str, to: str | None = None) -> list[str]:
    """Send a file to the programs that take its kind, or to the one of them whose name has ``to`` in it.

    Returns the names of the programs that it was sent to.

    Raises
    ------
    ClientError
        No hub runs on this machine, or no program that is open takes it.
    ValueError
        No such program has ``to`` in its name.
    """
    from pyvo.samp import SAMPProxyError

    url = path.resolve().as_uri()
    message = {"samp.mtype": mtype, "samp.params": {"url": url, "name": name}}
    if mtype != FITS_IMAGE:
        message["samp.params"]["table-id"] = url  # type: ignore[index]
    with _connected() as client:
        takers = {each: _name_of(client, each) for each in client.get_subscribed_clients(mtype)}
        if not takers:
            raise ClientError(f"No program that is open takes {_WORDS[mtype]}: open TOPCAT, Aladin or DS9.")
        chosen = [each for each, title in takers.items() if to is None or to.lower() in title.lower()]
        if not chosen:
            raise BadValue(f"to={to!r} is none of the programs that take {_WORDS[mtype]}: {', '.join(takers.values())}")
        sent = []
        for each in chosen:
            try:
                client.notify(each, message)
            except SAMPProxyError:  # it was closed a moment ago
                continue
            sent.append(takers[each])
        if not sent:
            raise ClientError(f"{', '.join(takers[each] for each in chosen)} did not take it any more.")
        return sent


@contextmanager
def _connected() -> Iterator[SAMPIntegratedClient]:
    from pyvo.samp import SAMPHubError, SAMPIntegratedClient

    # it only speaks: so it needs no port of its own
    client = SAMPIntegratedClient("jupyter_uws", description="A notebook with jupyter_uws", callable=False)
    try:
        client.connect()
    except (SAMPHubError, OSError):
        raise ClientError(
            "There is no SAMP hub where this kernel runs: open TOPCAT or Aladin there first. From a kernel on another "
            "machine, such as a JupyterHub's, save the file and open it in the program."
        ) from None
    try:
        yield client
    finally:
        client.disconnect()


def _name_of(client: Any, each: str) -> str:
    return str(client.get_metadata(each).get("samp.name", each))
