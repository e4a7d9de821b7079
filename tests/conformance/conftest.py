"""A real service with two job types of its own, for clients that were not made for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from running import RunningService, run_service

# as a TAP service would name them: the parameter QUERY, the result 'result'
ROWS = """\
name: rows
title: Rows of a table
parameters:
  QUERY: {type: string, default: "SELECT 1", description: "Any <text> & more"}
  count: {type: integer, minimum: 0, maximum: 10, default: 3, unit: s, ucd: meta.number}
  kind: {type: string, choices: [few, many], required: true}
  flag: {type: boolean, default: false}
  radius: {type: number, minimum: 0.5}
  ids: {type: integer, multiple: true, max_items: 3}
script: |
  printf '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">' > table.vot
  printf '<INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="n" datatype="int"/><DATA><TABLEDATA>' >> table.vot
  for number in $(seq 1 3); do printf '<TR><TD>%d</TD></TR>' $number >> table.vot; done
  printf '</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>' >> table.vot
generated:
  result: {path: table.vot, content_type: application/x-votable+xml, description: The rows}
"""
# where TAP's own clients look for its jobs: uws/async, with the parameters they send
ASYNC = """\
name: async
parameters:
  QUERY: {type: string, required: true}
  REQUEST: {type: string}
  lang: {type: string}
  FORMAT: {type: string}
  MAXREC: {type: integer}
  tapclient: {type: string}
  jobname: {type: string}
""" + ROWS[ROWS.index("script:") :]
COUNT_LINES = """\
name: count-lines
title: Count the lines of a text
parameters:
  text: {type: file, required: true, content_types: [text/plain, text/csv]}
script: |
  wc -l < "$text" > count.txt
generated:
  count: {path: count.txt, content_type: text/plain}
"""


@pytest.fixture(scope="session")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("conformance")
    types = folder / "types"
    types.mkdir()
    (types / "rows.yaml").write_text(ROWS)
    (types / "async.yaml").write_text(ASYNC)
    (types / "count-lines.yaml").write_text(COUNT_LINES)
    with run_service(folder, sim_archive, JUPYTER_UWS_DESCRIPTIONS=str(types)) as running:
        yield running


@pytest.fixture(scope="session")
def session(service: RunningService) -> requests.Session:
    """What a VO client asks with."""
    session = requests.Session()
    session.headers["Authorization"] = f"token {service.token}"
    return session
