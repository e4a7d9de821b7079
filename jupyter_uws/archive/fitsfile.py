"""One pass over a FITS file: all headers, and proof that the file is whole.

astropy opens a damaged file without a word and complains when the data is used, which is in a job, hours
later. Here every byte of a gzip file is read (so its checksum is tested) and the length of a plain one is compared with
what its headers promise.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path

from astropy.io import fits

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


class DamagedFile(Exception):
    """The file is not a whole FITS file; the message says why."""


@dataclass(frozen=True)
class Hdu:
    """An HDU's header and, where it was asked for, its data."""

    header: fits.Header
    data: bytes | None = None

    @cached_property
    def table(self) -> fits.FITS_rec:
        """The binary table, for an HDU whose data was kept; made once, for many runs may share a response."""
        if self.data is None:
            raise ValueError(f"the data of HDU {self.header.get('EXTNAME')!r} was not kept")
        return fits.BinTableHDU.fromstring(self.header.tostring().encode("ascii") + self.data).data


def scan(path: Path, keep: Callable[[fits.Header], bool] = lambda header: False) -> dict[str, Hdu]:
    """The HDUs of a FITS file (gzip or not) by EXTNAME in upper case, with the data of those that ``keep`` picks.

    Of several HDUs with one name the first counts, as in astropy and gammapy. Raises DamagedFile for a
    file that is not FITS, cut short, or fails its checksum; OSError where it cannot be opened.
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        size = raw.seek(0, 2)
        raw.seek(0)
        try:
            if compressed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _scan(stream, keep)
            return _scan(raw, keep, size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFile(f"broken gzip data ({error})") from error
        except (OSError, ValueError, KeyError, TypeError, fits.VerifyError) as error:
            raise DamagedFile(f"not a valid FITS file ({error})") from error


def _scan(
    stream: BufferedReader | gzip.GzipFile, keep: Callable[[fits.Header], bool], size: int | None = None
) -> dict[str, Hdu]:
    hdus: dict[str, Hdu] = {}
    first = True
    while True:
        if not stream.peek(1):
            if first:
                raise DamagedFile("the file is empty")
            return hdus
        header = fits.Header.fromfile(stream, endcard=True)
        if first and "SIMPLE" not in header:
            raise DamagedFile("not a FITS file: the SIMPLE keyword is missing")
        first = False
        length = header.data_size_padded
        name = str(header.get("EXTNAME", "PRIMARY" if not hdus else "")).strip().upper()
        data = None
        if keep(header):
            data = stream.read(length)
            complete = len(data) == length
        elif size is not None:
            complete = stream.seek(length, 1) <= size
        else:
            complete = _skip(stream, length)
        if not complete:
            raise DamagedFile(f"cut short in HDU {name!r}")
        hdus.setdefault(name, Hdu(header, data))


def _skip(stream: BufferedReader | gzip.GzipFile, length: int) -> bool:
    while length > 0:
        got = len(stream.read(min(length, _CHUNK)))
        if got == 0:
            return False
        length -= got
    return True
