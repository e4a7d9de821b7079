"""A job type's schema, page and WADL over HTTP."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import defusedxml.ElementTree as ElementTree
import jsonschema
import pytest
from described import DescribedService

WADL = "{http://wadl.dev.java.net/2009/02}"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

#: Every word of it would do harm on a page that does not escape it.
NASTY = """\
name: nasty
title: "<script>alert('title')</script>"
description: "</p><img src=x onerror=alert(1)> & more"
version: "<b>1</b>"
contact: "<i>me</i> <me@example.org>"
doculink: "https://example.org/?a=1&b=\\"><script>"
parameters:
  text:
    title: "<script>alert('x')</script>"
    description: "\\"'><svg onload=alert(1)>"
    unit: "<u>"
    choices: ["<b>", "&", "\\"'"]
    default: "&"
  night: {pattern: "[<>]{1,3}"}
  RA: {type: number, unit: deg, ucd: pos.eq.ra, minimum: 0, maximum: 360, required: true}
  runs: {type: integer, multiple: true, min_items: 1, max_items: 5, default: [1, 2]}
  events: {type: file, content_types: [image/fits], max_size: 5000000}
command: [true]
generated:
  map: {content_type: "image/png; x=<script>", description: "<script>", optional: true}
"""


@pytest.fixture(scope="module")
def service(described: DescribedService) -> DescribedService:
    described.describe("nasty.yaml", NASTY.replace("command: [true]", "command: ['true']"))
    described.has("nasty", "<b>1</b>")
    return described


def test_the_page_for_browsers_says_all_and_is_escaped(service: DescribedService) -> None:
    answer = service.service.get("uws/nasty/description", headers={"Accept": BROWSER})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = answer.content.decode()
    for harm in ("<script", "<img", "<svg", "<u>", "<b>1", "<i>", "onerror=alert(1)>", "?a=1&b"):
        assert harm not in page, harm
    for word in ("0 to 360 deg", "pos.eq.ra", "required", "1 to 5 values", "1 2", "at most 5 MB", "image/fits"):
        assert word in page, word
    assert service.types()["nasty"]["sha256"] in page
    assert "me@example.org" in page
    assert "not always there" in page


def test_links_of_the_page_lead_somewhere(service: DescribedService) -> None:
    page = service.service.get("uws/nasty/description").content.decode()
    for path in ("uws/nasty/schema", "uws/nasty/descriptor", "uws/nasty", "uws"):
        assert f'"{service.service.url}{path}"' in page
        assert service.service.get(path).status_code == 200


def test_the_schema_is_a_schema_of_what_the_type_takes(service: DescribedService) -> None:
    answer = service.service.get("uws/nasty/schema")
    assert answer.headers["Content-Type"].startswith("application/schema+json")
    schema = answer.json()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"{service.service.url}uws/nasty/schema"
    jsonschema.validate({"RA": 83.6, "text": "&", "runs": [1]}, schema)
    for wrong in ({}, {"RA": 361}, {"RA": 1, "text": "x"}, {"RA": 1, "runs": []}, {"RA": 1, "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert schema["properties"]["events"]["x-content-types"] == ["image/fits"]


def by_name(elements: list[Element]) -> dict[str, Element]:
    return {element.get("name", ""): element for element in elements}


@pytest.mark.parametrize(
    "how", [{"params": {"format": "wadl"}}, {"headers": {"Accept": "application/vnd.sun.wadl+xml"}}]
)
def test_wadl(service: DescribedService, how: dict[str, dict[str, str]]) -> None:
    answer = service.service.get("uws/nasty/description", **how)
    assert answer.headers["Content-Type"].startswith("application/vnd.sun.wadl+xml")
    root = ElementTree.fromstring(answer.content)
    resources = root.find(f"{WADL}resources")
    assert resources.get("base") == f"{service.service.url}uws/"
    jobs = resources.find(f"{WADL}resource")
    assert jobs.get("path") == "nasty"
    create = next(method for method in jobs.findall(f"{WADL}method") if method.get("name") == "POST")
    form = create.find(f"{WADL}request/{WADL}representation")
    assert form.get("mediaType") == "multipart/form-data"
    params = by_name(form.findall(f"{WADL}param"))
    assert list(params)[:5] == ["text", "night", "RA", "runs", "events"]
    assert [option.get("value") for option in params["text"].findall(f"{WADL}option")] == ["<b>", "&", "\"'"]
    assert (params["RA"].get("type"), params["RA"].get("required")) == ("xsd:double", "true")
    assert (params["runs"].get("repeating"), params["runs"].get("default")) == ("true", "1 2")
    paths = [resource.get("path") for resource in jobs.iter(f"{WADL}resource")]
    assert {"{job-id}", "phase", "parameters", "results", "results/{result}", "destruction"} <= set(paths)


def test_json_and_the_unknown(service: DescribedService) -> None:
    answer = service.service.get("uws/nasty/description", headers={"Accept": "application/json"})
    assert answer.json() == service.types()["nasty"]
    for hidden in ("command", "script", "entry_point"):
        assert hidden not in answer.json()
    assert service.service.get("uws/nasty/description?format=doc").status_code == 400
    for resource in ("description", "schema"):
        missing = service.service.get(f"uws/nothing/{resource}")
        assert (missing.status_code, "there is no job type 'nothing'" in missing.text) == (404, True)
        assert service.service.request("HEAD", f"uws/nasty/{resource}").status_code == 200
        assert service.service.post(f"uws/nasty/{resource}").status_code == 405
