"""What a job asks for of the cluster: its type's word, what its client sends instead, and what is allowed.

Clients send CORES, MEMORY, GPUS, PARTITION, ACCOUNT or CONSTRAINT with a job, in any case, where the type
has no parameter of that name; the result is what ``jobInfo`` shows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from ..execution.batch import seconds
from ..execution.cluster import ClusterConfig
from ..execution.shape import OVERHEAD, Maxima, mebibytes
from ..execution.worker_options import ACCOUNT, DIRECTIVES
from ..jobs.description import RESOURCE, JobDescription
from ..uws.errors import UsageError

#: In the order in which jobInfo has them.
NAMES = ("cores", "memory", "gpus", "partition", "account", "constraint")
#: MiB: a Python that loads numpy needs as much.
LEAST_MEMORY = 64
_WORD = re.compile(RESOURCE)


def maxima(backend: str, limits: Mapping[str, Any]) -> Maxima:
    """The operator's limits as they are configured. Raises ValueError that names the one that is wrong."""
    found: dict[str, Any] = {}
    for name, value in limits.items():
        match name:
            case "cores" | "gpus":
                if not isinstance(value, int) or value < (name == "cores"):
                    raise ValueError(f"{name} is {value!r}; it must be a whole number")
                found[name] = value
            case "memory":
                found[name] = mebibytes(value)
            case "walltime":
                found[name] = seconds(backend, value)
                if found[name] is None:
                    raise ValueError(f"walltime is {value!r}; it must be a time such as '72:00:00'")
            case "partitions" | "accounts" | "constraints":
                if isinstance(value, str) or not all(isinstance(each, str) and _WORD.fullmatch(each) for each in value):
                    raise ValueError(f"{name} is {value!r}; it must be a list of names without blanks and quotes")
                found[name] = tuple(value)
            case _:
                raise ValueError(f"{name!r} is not one of {', '.join(field.name for field in fields(Maxima))}")
    return Maxima(**found)


def resource_names(description: JobDescription) -> frozenset[str]:
    """The names that clients may send with a job of the type, in lower case."""
    return frozenset(NAMES) - {parameter.name.lower() for parameter in description.parameters}


def resources(description: JobDescription, asked: Mapping[str, str], cluster: ClusterConfig) -> dict[str, str]:
    """What a job asks for, as ``jobInfo`` shows it, given what its client ``asked`` for by name.

    Raises UsageError where that is more than there may be, for the client's values and the type's own.
    """
    largest = _largest(description, cluster)
    sizes = {
        "cores": _whole("CORES", asked["cores"], 1) if "cores" in asked else description.cores,
        "memory": _memory(asked["memory"]) if "memory" in asked else description.memory_limit,
        "gpus": _whole("GPUS", asked["gpus"], 0) if "gpus" in asked else description.gpus,
    }
    for name, size in sizes.items():
        limit = largest[name]
        if limit is not None and size > limit:
            raise UsageError(_too_much(description, name, size, limit, asked))
    names = {name: _name(description, name, asked, cluster) for name in ("partition", "account", "constraint")}
    memory = f"{sizes['memory']} MiB" if sizes["memory"] else ""
    found = {"cores": str(sizes["cores"]), "memory": memory, "gpus": str(sizes["gpus"] or ""), **names}
    return {name: found[name] for name in NAMES if found[name]}


def offered(description: JobDescription, cluster: ClusterConfig) -> dict[str, dict[str, Any]]:
    """What clients may ask for with a job of the type: of a size its ``default`` and ``maximum`` (null: not known;
    ``memory`` in MiB, 0 for no limit), of a name its ``default`` and the ``choices``; nothing of what cannot be chosen.
    """
    largest = _largest(description, cluster)
    own = {"cores": description.cores, "memory": description.memory_limit, "gpus": description.gpus}
    found: dict[str, dict[str, Any]] = {
        name: {"default": own[name], "maximum": largest[name]} for name in own if largest[name] != 0
    }
    if cluster.backend != "local":
        for name in ("partition", "account", "constraint"):
            default, choices = getattr(description, name), getattr(cluster.maxima, f"{name}s")
            if choices:
                found[name] = {"default": default, "choices": sorted({default, *choices} - {""})}
    return {name: found[name] for name in NAMES if name in found and name in resource_names(description)}


def limits_of(info: Mapping[str, Any], description: JobDescription) -> dict[str, Any]:
    """The same as the executor takes it, from the ``jobInfo`` of a job that was queued."""
    return {
        "cores": int(info.get("cores") or description.cores),
        "memory_limit": mebibytes(info["memory"]) if info.get("memory") else description.memory_limit,
        "gpus": int(info.get("gpus") or 0),
        "partition": info.get("partition") or "",
        "account": info.get("account") or "",
        "constraint": info.get("constraint") or "",
    }


def _largest(description: JobDescription, cluster: ClusterConfig) -> dict[str, int | None]:
    """The most that a job may ask for; None where nobody but the batch system knows."""
    maxima, base, local = cluster.maxima, cluster.base, cluster.backend == "local"
    memory = None if base.memory is None else base.memory - OVERHEAD
    # what the operator has installed is allowed, where no limit says otherwise and it can be had
    own = local or cluster.sized
    return {
        "cores": maxima.cores or max(base.cores, description.cores if own else 0),
        "memory": maxima.memory or (memory and max(memory, description.memory_limit if own else 0)),
        "gpus": _first(maxima.gpus, description.gpus if local or "gpus" in DIRECTIVES.get(cluster.backend, {}) else 0),
    }


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _too_much(description: JobDescription, name: str, size: int, limit: int, asked: Mapping[str, str]) -> str:
    unit = " MiB" if name == "memory" else ""
    if name in asked:
        return f"{name.upper()} '{asked[name][:60]}' is more than the {limit}{unit} that a job may have here"
    ask = "no " if limit == 0 else f"{limit}{unit} or less of "
    return (
        f"jobs of the type '{description.name}' ask for {size}{unit} of {name}, more than the {limit}{unit} that a job "
        f"may have here; send {name.upper()}={limit}{unit} to try with {ask}{name}"
    )


def _whole(name: str, text: str, least: int) -> int:
    if not re.fullmatch(r"\d{1,6}", text.strip(), re.ASCII) or int(text) < least:
        raise UsageError(f"{name} '{text[:60]}' is not a whole number of at least {least}")
    return int(text)


def _memory(text: str) -> int:
    """MiB, where no unit says otherwise."""
    plain = re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII)
    try:
        size = int(text) if plain else mebibytes(text)
    except (ValueError, OverflowError):
        raise UsageError(f"MEMORY '{text[:60]}' is not a size such as '8 GiB', or a whole number of MiB") from None
    if size < LEAST_MEMORY:
        raise UsageError(f"MEMORY '{text[:60]}' is less than {LEAST_MEMORY} MiB")
    return size


def _name(description: JobDescription, name: str, asked: Mapping[str, str], cluster: ClusterConfig) -> str:
    """A partition, an account or a constraint; empty for the operator's own."""
    if cluster.backend == "local":
        if name in asked:
            raise UsageError(f"{name.upper()} cannot be chosen: jobs run on the service's own host")
        return ""
    own: str = getattr(description, name)
    value = asked[name].strip() if name in asked else own
    known = name in DIRECTIVES.get(cluster.backend, {}) if name == "constraint" else cluster.backend in ACCOUNT
    if value and not known:
        raise UsageError(f"{name} '{value[:60]}': {cluster.backend} jobs are not given a {name} here")
    choices: Collection[str] = getattr(cluster.maxima, f"{name}s")
    if name in asked and value not in {"", own, *choices}:
        allowed = ", ".join(sorted({own, *choices} - {""})) or "none"
        raise UsageError(f"{name.upper()} '{value[:60]}' may not be chosen; those that may are: {allowed}")
    return value
