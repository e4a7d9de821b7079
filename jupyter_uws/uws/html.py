"""The tree of jobs for people with a browser: read only, without scripts, nothing from elsewhere.

XML is the standard's document; a browser gets these pages because it names ``text/html`` in its Accept header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote, urlsplit

from .model import Job, JobRef
from .phases import TERMINAL
from .places import SERVICES, job_url, list_path
from .times import format_time
from .uploads import files_of

#: A page shows so many jobs unless LAST asks for another number.
PAGE = 200
#: Sent with every page: whatever stands in it, nothing runs, loads, or posts.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

_XML_TYPES = frozenset({"text/xml", "application/xml"})
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent);
  --soft: color-mix(in srgb, currentColor 62%, transparent); --wash: color-mix(in srgb, currentColor 5%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; font-weight: 600; margin: .2rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; font-weight: 600; margin: 1.8rem 0 .4rem; }
nav, .soft, th { color: var(--soft); } nav { font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 500; text-align: left; }
th, td { padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:hover { background: var(--wash); }
td { overflow-wrap: anywhere; } td.time, td.id { white-space: nowrap; font-variant-numeric: tabular-nums; }
.scroll td { min-width: 5.2rem; } .scroll td.text { min-width: 14rem; } em, .phase { white-space: nowrap; }
.facts th { width: 11rem; }
@media (max-width: 40rem) { .facts th { width: 7rem; } }
pre { background: var(--wash); padding: .7rem .9rem; border-radius: 6px; overflow-x: auto;
  white-space: pre-wrap; margin: 0; }
.phase { display: inline-block; font-size: .78rem; letter-spacing: .02em; padding: .05rem .5rem; border-radius: 99px;
  border: 1px solid var(--tone, var(--line)); color: var(--tone, inherit); }
.COMPLETED { --tone: light-dark(#1a7f37, #4ac26b); } .ERROR { --tone: light-dark(#c1272d, #ff7b72); }
.EXECUTING { --tone: light-dark(#0b62c4, #6cb2ff); }
.QUEUED, .HELD, .SUSPENDED { --tone: light-dark(#8a6100, #d9a520); }
progress { width: 12rem; vertical-align: middle; }
"""


def preferred(accept: str) -> bool:
    """Whether an Accept header names HTML, and with more weight than XML (UWS 1.1, section 2.2.1: XML first).

    >>> preferred("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    True
    >>> [preferred(accept) for accept in ("", "*/*", "text/xml, text/html", "application/xml,text/plain")]
    [False, False, False, False]
    """
    weights: dict[str, float] = {}
    for entry in accept.lower()[:2000].split(","):
        kind, *parameters = (word.strip() for word in entry.split(";"))
        found = [
            match.group(1) for word in parameters if (match := re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", word))
        ]
        weights[kind] = float(found[0]) if found else 1.0
    if "image/gif" in weights and "application/xhtml+xml" not in weights:
        return False  # what Java sends where nobody has thought about it; STILTS and TOPCAT mean XML
    html = weights.get("text/html", 0.0)
    return html > max(weights.get(kind, 0.0) for kind in _XML_TYPES)


def jobs_page(
    jobs: Sequence[Job | JobRef], root: str, job_type: str | None, job_types: Iterable[str], *, shown_all: bool
) -> str:
    """A job list. Unless ``shown_all``, it says that there may be more than :data:`PAGE`."""
    rows = "".join(
        f'<tr><td class="id">{link(job_url(job, root), job.job_id)}</td><td>{_phase(job)}</td>'
        f'<td>{escape(job.job_type)}</td><td class="text">{escape(job.run_id or "")}</td>'
        f'<td class="time">{_time(job.creation_time)}</td><td>{escape(job.owner)}</td></tr>\n'
        for job in jobs
    )
    body = (
        '<div class="scroll"><table><thead><tr><th>Job<th>Phase<th>Type<th>Run id<th>Created<th>Owner</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
        if jobs
        else '<p class="soft">There are no such jobs.</p>'
    )
    if len(jobs) >= PAGE and not shown_all:
        body += f'<p class="soft">These are the {PAGE} newest; {link("?LAST=2000", "?LAST=2000")} shows more.</p>'
    types = " · ".join(link(root + list_path(name), name) for name in job_types)
    trail = [("jobs", f"{root}uws")] if job_type else []
    about = ""
    if job_type and job_type not in SERVICES:
        about = f"<p>{link(f'{root}uws/{job_type}/description', 'What these jobs take and give')}</p>"
    body = f'<p class="soft">Types: {types}</p>{about}{body}'
    return page(f"{job_type} jobs" if job_type else "Jobs", trail, body)


def job_page(job: Job, root: str) -> str:
    """A job with its parameters, results, error and logs."""
    url = job_url(job, root)
    facts = [
        ("Phase", _phase(job) + _progress(job)),
        ("Message", escape(str(job.info.get("message", "")))),
        ("Run id", escape(job.run_id or "")),
        ("Owner", escape(job.owner)),
        ("Created", _time(job.creation_time)),
        ("Started", _time(job.start_time)),
        ("Ended", _time(job.end_time)),
        ("Expected end", _time(job.quote) if job.phase not in TERMINAL else ""),
        ("Destruction", _time(job.destruction)),
    ]
    parts = [facts_table(facts)]
    if job.error is not None:
        more = f"<p>{link(f'{url}/error', 'The whole story')}</p>" if job.error.detail else ""
        parts.append(f"<h2>Error ({job.error.type})</h2><pre>{escape(job.error.message)}</pre>{more}")
    parts.append(_results(job, url))
    parts.append(_parameters(job, url))
    logs = " · ".join(link(f"{url}/{name}", name) for name in ("stdout", "stderr"))
    parts.append(f"<h2>Logs</h2><p>{logs}</p>")
    trail = [("jobs", f"{root}uws"), (job.job_type, root + list_path(job.job_type))]
    return page(job.job_id, trail, "\n".join(parts))


def _parameters(job: Job, url: str) -> str:
    rows = []
    for name, values in job.parameters.items():
        href = f"{url}/parameters/{quote(name, safe='')}"
        files = files_of(job, name)
        shown = [
            f"{link(f'{href}?ITEM={number}', file.filename)} <span class=soft>{_size(file.size)}, "
            f"SHA-256 {file.sha256}{f', from {escape(file.source)}' if file.source else ''}</span>"
            for number, file in enumerate(files, 1)
        ] or [escape(value if len(value) <= 500 else value[:500] + " …") for value in values]
        rows.append((link(href, name), "<br>".join(shown)))
    return "<h2>Parameters</h2>" + (facts_table(rows, raw=True) or '<p class="soft">None.</p>')


def _results(job: Job, url: str) -> str:
    rows = "".join(
        f"<tr><td>{link(url + '/results/' + quote(result.name, safe=''), result.name)}</td>"
        f"<td>{escape(result.content_type)}</td><td>{_size(result.size)}</td><td>{escape(result.description)}</td></tr>"
        for result in job.results
    )
    if not rows:
        return '<h2>Results</h2><p class="soft">None.</p>'
    return (
        '<h2>Results</h2><div class="scroll"><table><thead><tr><th>Name<th>Type<th>Size<th>What it is</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def facts_table(rows: Iterable[tuple[str, str]], raw: bool = False) -> str:
    """A table of names and ready values; the ones without value are left out."""
    lines = "".join(
        f'<tr><th scope="row">{name if raw else escape(name)}</th><td>{value}</td></tr>\n'
        for name, value in rows
        if value
    )
    return f'<table class="facts"><tbody>{lines}</tbody></table>' if lines else ""


def page(title: str, trail: Iterable[tuple[str, str]], body: str) -> str:
    """A page with a trail of links above its title; ``body`` is ready HTML."""
    path = " / ".join(link(href, name) for name, href in trail)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><nav>{path}</nav><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def link(href: str, text: str) -> str:
    """A link, or a text that leads nowhere where the address is not of the web."""
    # the root is the client's own address; a link must be nothing but one of the web
    safe = href if urlsplit(href).scheme in ("", "http", "https") else "#"
    return f'<a href="{escape(safe)}">{escape(text)}</a>'


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _phase(job: Job | JobRef) -> str:
    return f'<span class="phase {job.phase}">{job.phase}</span>'


def _progress(job: Job) -> str:
    value = job.info.get("progress")
    if job.phase in TERMINAL or not isinstance(value, int | float):
        return ""
    return f' <progress value="{min(max(value, 0), 1):g}"></progress> {100 * value:.0f} %'


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    text = format_time(time)
    return f'<time datetime="{text}">{text[:19].replace("T", " ")} UTC</time>'


def _size(size: int | None) -> str:
    if size is None:
        return ""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
