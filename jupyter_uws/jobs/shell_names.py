"""Which names can be shell variables of a script without changing what the shell or its programs do."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that bash itself obeys or sets, and those that jobs find in their environment.
_TAKEN = frozenset(
    """
    _ CDPATH COLUMNS COPROC DIRSTACK EMACS ENV EPOCHREALTIME EPOCHSECONDS EUID EXECIGNORE FCEDIT FIGNORE FUNCNAME
    FUNCNEST GLOBIGNORE GROUPS HISTCMD HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT HOME
    HOSTFILE HOSTNAME HOSTTYPE IFS IGNOREEOF INPUTRC INSIDE_EMACS LANG LANGUAGE LINENO LINES LOGNAME MACHTYPE MAIL
    MAILCHECK MAILPATH MAPFILE OLDPWD OPTARG OPTERR OPTIND OSTYPE PATH PIPESTATUS POSIXLY_CORRECT PPID
    PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1 PS2 PS3 PS4 PWD RANDOM READLINE_ARGUMENT READLINE_LINE READLINE_MARK
    READLINE_POINT REPLY SECONDS SHELL SHELLOPTS SHLVL SRANDOM TERM TIMEFORMAT TMOUT TMPDIR TZ UID USER auto_resume
    histchars
    """.split()  # noqa: SIM905 (as a list it would be 90 lines)
)
_TAKEN_PREFIXES = ("BASH", "COMP_", "DYLD_", "JUPYTER", "LC_", "LD_", "OMP_", "PYTHON", "UWS_", "XDG_")


def refuse(name: str) -> str | None:
    """Why a parameter or result of a script cannot be called so; None where it can."""
    if not _IDENTIFIER.fullmatch(name):
        return f"{name!r} cannot be a shell variable: letters, digits and '_' only"
    if name in _TAKEN or name.startswith(_TAKEN_PREFIXES):
        return f"{name!r} is a variable of the shell or of the system"
    return None
