"""The page of a job type for people with a browser: what it takes, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..jobs.description import FILE_SIZE, Generated, JobDescription, Parameter
from ..jobs.values import bounds, text_of
from ..uws.html import facts_table, link, page


def description_page(description: JobDescription, root: str) -> str:
    """The whole page; ``root`` is the absolute URL above ``uws/``."""
    url = f"{root}uws/{description.name}"
    words = [f"<p>{escape(part)}</p>" for part in description.description.split("\n\n") if part.strip()]
    if description.doculink:
        words.append(f"<p>{link(description.doculink, 'Documentation')}</p>")
    parts = [
        *words,
        "<h2>Parameters</h2>",
        _table(
            ("Name", "What it is", "Type", "Allowed", "Default"), [_parameter(part) for part in description.parameters]
        ),
    ]
    if description.used:
        rows = [(_name(used.name), escape(used.description), escape(used.content_type)) for used in description.used]
        parts += ["<h2>Uses</h2>", _table(("Name", "What it is", "Type"), rows)]
    results = [_result(result) for result in description.generated]
    parts += ["<h2>Results</h2>", _table(("Name", "What it is", "Type"), results), "<h2>Runs</h2>", _facts(description)]
    machines = [("JSON Schema", f"{url}/schema"), ("WADL", f"{url}/description?format=wadl")]
    machines += [("VO service descriptor", f"{url}/descriptor"), ("JSON", f"{url}/description?format=json")]
    parts.append("<h2>For programs</h2><p>" + " · ".join(link(href, name) for name, href in machines) + "</p>")
    trail = [("jobs", f"{root}uws"), (description.name, url)]
    return page(description.title or description.name, trail, "\n".join(parts))


def _facts(description: JobDescription) -> str:
    quote = _duration(description.quote) if description.quote is not None else ""
    longest = _duration(description.execution_duration_max)
    limit = f"{_duration(description.execution_duration)} unless asked for otherwise, at most {longest}"
    activity = " / ".join(filter(None, (description.type, description.subtype)))
    return facts_table(
        [
            ("Version", escape(description.version)),
            ("SHA-256", f"<code>{description.digest}</code>"),
            ("Activity", escape(activity)),
            ("Contact", escape(description.contact or "")),
            ("Expected time", quote),
            ("Time limit", limit),
            ("Memory limit", f"{description.memory_limit} MiB" if description.memory_limit else ""),
            ("Cores", str(description.cores)),
            ("GPUs", str(description.gpus or "")),
            ("Partition", escape(description.partition)),
            ("Account", escape(description.account)),
            ("Constraint", escape(description.constraint)),
        ]
    )


def _parameter(parameter: Parameter) -> tuple[str, ...]:
    words = [f"<strong>{escape(parameter.title)}</strong>"] if parameter.title else []
    words += [escape(parameter.description)] if parameter.description else []
    words += [f'<span class="soft">{escape(parameter.ucd)}</span>'] if parameter.ucd else []
    kind = parameter.type + (", several" if parameter.multiple else "")
    kind += f" [{escape(parameter.unit)}]" if parameter.unit else ""
    if parameter.required:
        default = "<em>required</em>"
    elif parameter.default is None:
        default = '<span class="soft">none</span>'
    else:
        items = parameter.default if parameter.multiple else (parameter.default,)
        default = escape(" ".join(text_of(item) for item in items))
    return (_name(parameter.name), "<br>".join(words), kind, "<br>".join(_allowed(parameter)), default)


def _allowed(parameter: Parameter) -> list[str]:
    allowed = [escape(bounds(parameter))] if bounds(parameter) else []
    if parameter.choices is not None:
        allowed.append(
            "one of: " + ", ".join(f"<code>{escape(text_of(choice))}</code>" for choice in parameter.choices)
        )
    if parameter.pattern is not None:
        allowed.append(f"the pattern <code>{escape(parameter.pattern)}</code>")
    if parameter.type == "file":
        allowed += [escape(", ".join(parameter.content_types))] if parameter.content_types else []
        allowed.append(f"at most {(parameter.max_size or FILE_SIZE) / 1e6:g} MB")
    if parameter.min_items is not None or parameter.max_items is not None:
        allowed.append(f"{parameter.min_items or 0} to {parameter.max_items or 'any number of'} values")
    return allowed


def _result(result: Generated) -> tuple[str, ...]:
    words = [escape(result.description)] if result.description else []
    words += ['<span class="soft">not always there</span>'] if result.optional else []
    return (_name(result.name), "<br>".join(words), escape(result.content_type))


def _name(name: str) -> str:
    return f"<code>{escape(name)}</code>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return '<p class="soft">None.</p>'
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    # on a narrow screen the table scrolls, and its words stay whole
    table = f'<table style="min-width: {8 * len(heads)}rem"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _duration(seconds: int) -> str:
    if seconds == 0:
        return "no limit"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
