"""``jupyter uws token``: let users of a site without a Hub come to a shared service, each as the owner of his jobs."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from . import rendezvous

if TYPE_CHECKING:
    from .service.tokens import TokenStore


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("token", help="create, list and revoke tokens of users", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--state-dir", metavar="DIR", help="the service's state folder ($JUPYTER_UWS_STATE_DIR)")
    create = actions.add_parser("create", parents=[where], help="print a new token; nobody can read it again")
    create.add_argument("owner", metavar="OWNER", help="the user whose jobs its bearer creates and sees")
    create.add_argument("--days", type=float, default=30.0, help="how long it is good for (default: 30)")
    create.add_argument("--note", default="", metavar="TEXT", help="what it is for")
    listing = actions.add_parser("list", parents=[where], help="list them, without themselves")
    listing.add_argument("owner", nargs="?", metavar="OWNER", help="only those of this user")
    revoke = actions.add_parser("revoke", parents=[where], help="make one, or all of a user, worthless at once")
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("token_id", nargs="?", metavar="ID", help="the id, as list shows it")
    which.add_argument("--owner", metavar="OWNER", help="all of this user")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do it on the store of the service, which may run meanwhile; 1 with a sentence where it cannot be done."""
    from .service.tokens import TokenStore
    from .uws.database import Database
    from .uws.errors import UWSError

    try:
        with closing(Database(_store_url(arguments.state_dir))) as database:
            return _ACTIONS[arguments.action](TokenStore(database), arguments)
    except (UWSError, rendezvous.RendezvousError) as error:
        print(f"jupyter uws token: {error}", file=sys.stderr)
        return 1


def _store_url(folder: str | None) -> str:
    """The database of the service: as its configuration says, else the one in its state folder."""
    from .service.config import ServeApp

    app = ServeApp()
    app.initialize([])
    return app.store_url or f"sqlite:///{rendezvous.state_dir(folder or app.state_dir or None) / 'jobs.sqlite'}"


def _create(store: TokenStore, arguments: argparse.Namespace) -> int:
    token, known = store.create(arguments.owner, timedelta(days=arguments.days), arguments.note)
    print(token)
    print(f"id {known.token_id}, of {known.owner}, until {known.expires:%Y-%m-%d %H:%M} UTC", file=sys.stderr)
    return 0


def _list(store: TokenStore, arguments: argparse.Namespace) -> int:
    for known in store.all(arguments.owner):
        until = f"{known.expires:%Y-%m-%d %H:%M}"
        print(f"{known.token_id}  {known.owner:20}  {known.created:%Y-%m-%d}  until {until}  {known.note}".rstrip())
    return 0


def _revoke(store: TokenStore, arguments: argparse.Namespace) -> int:
    number = store.revoke(token_id=arguments.token_id, owner=arguments.owner)
    if not number:
        what = f"with the id {arguments.token_id}" if arguments.token_id else f"of {arguments.owner}"
        print(f"jupyter uws token: there is no token {what}", file=sys.stderr)
        return 1
    print(f"revoked: {number}")
    return 0


_ACTIONS = {"create": _create, "list": _list, "revoke": _revoke}
