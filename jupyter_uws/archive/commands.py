"""``jupyter uws archive ...``: add data stores, take them out, list and check them, make the simulated one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import ArchiveError
from .paths import default_archive


def add_parser(subparsers: Any) -> None:
    """Add the command ``archive``; each of its commands sets ``run``: namespace in, exit code out."""
    archive = subparsers.add_parser("archive", help="what can be searched: add data stores, make a simulated one")
    commands = archive.add_subparsers(dest="archive_command", metavar="COMMAND", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--archive", type=Path, metavar="FILE", help=f"the archive file (default: {default_archive()})")

    add = commands.add_parser(
        "add",
        parents=[where],
        help="index a DL3 data store",
        description="Index a DL3 data store (GADF: obs-index and hdu-index FITS tables). The store is only read.",
    )
    add.add_argument("folder", type=Path, metavar="DIR", help="the folder with the index tables")
    add.add_argument("--collection", metavar="NAME", help="name of the collection (default: from the store)")
    add.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder outside DIR that the store's files may lie in; can be given more than once",
    )
    add.add_argument(
        "--responses",
        action=argparse.BooleanOptionalAction,
        help="give the responses of runs rows of their own, which is not ObsCore 1.1 (default: as before)",
    )
    add.set_defaults(run=_add)

    simulate = commands.add_parser(
        "simulate",
        parents=[where],
        help="make the simulated data store SIM-DR1 and index it",
        description="Make the simulated data store SIM-DR1 (28 runs, 8 MB, no download) and index it.",
    )
    simulate.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="where to make it (default: sim-dr1 beside the archive)"
    )
    simulate.set_defaults(run=_simulate)

    remove = commands.add_parser(
        "remove",
        parents=[where],
        help="take a collection out of the archive",
        description="Take a collection out of the archive. Its files stay where they are, and as they are.",
    )
    remove.add_argument("collection", metavar="NAME", help="the collection, as 'archive list' shows it")
    remove.set_defaults(run=_remove)

    check = commands.add_parser(
        "check",
        parents=[where],
        help="compare the archive with its files",
        description="Read every file: is it the one that was indexed, and as its format says? Exit status 1 where not.",
    )
    check.add_argument("collections", nargs="*", metavar="NAME", help="the collections to check (default: all)")
    check.set_defaults(run=_check)

    listing = commands.add_parser("list", parents=[where], help="list the collections of the archive")
    listing.set_defaults(run=_list)


def _add(args: argparse.Namespace) -> int:
    def work(archive: Path, progress: Callable[[int, int], None]) -> Any:
        from .ingest import add_store

        return add_store(
            archive,
            args.folder,
            collection=args.collection,
            roots=args.root,
            responses=args.responses,
            progress=progress,
        )

    return _run(args, "indexing", work)


def _simulate(args: argparse.Namespace) -> int:
    def work(archive: Path, progress: Callable[[int, int], None]) -> Any:
        from .demo import add_simulated

        return add_simulated(archive, args.folder, progress=progress)

    return _run(args, "simulating", work)


def _remove(args: argparse.Namespace) -> int:
    from .ingest import remove_collection

    archive = _archive(args)
    try:
        count = remove_collection(archive, args.collection)
    except ArchiveError as error:
        return _failed(error)
    print(f"{args.collection}: {count} removed ({archive})")
    return 0


def _check(args: argparse.Namespace) -> int:
    from .check import check_archive

    archive = _archive(args)
    try:
        with _bar("checking") as progress:
            report = check_archive(archive, args.collections, progress)
    except ArchiveError as error:
        return _failed(error)
    rows = [
        (
            "error" if found.error else "warning",
            found.collection,
            "" if found.obs_id is None else str(found.obs_id),
            found.check,
            found.file,
            found.message,
        )
        for found in report.findings
    ]
    if rows:
        rows.insert(0, ("", "collection", "run", "check", "file", "what"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))
    print(f"{report} ({archive})")
    return 1 if report.errors else 0


def _list(args: argparse.Namespace) -> int:
    from .reader import collections

    try:
        found = collections(_archive(args))
    except ArchiveError as error:
        return _failed(error)
    width = max((len(c.name) for c in found), default=0)
    for collection in found:
        print(f"{collection.name:{width}}  {collection.runs:6} runs  {collection.store}")
    return 0


def _run(args: argparse.Namespace, what: str, work: Callable[[Path, Callable[[int, int], None]], Any]) -> int:
    archive = _archive(args)
    try:
        with _bar(what) as progress:
            report = work(archive, progress)
    except ArchiveError as error:
        return _failed(error)
    for file, reason in report.skipped:
        print(f"left out: {file}: {reason}", file=sys.stderr)
    print(f"{report} ({archive})")
    return 1 if report.skipped and not report.added + report.updated + report.unchanged else 0


def _archive(args: argparse.Namespace) -> Path:
    return (args.archive or default_archive()).expanduser()


def _failed(error: ArchiveError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    with tqdm(desc=what, unit="run", leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
