"""The job types as resources: a list, and of each its JSON Schema and its description for people and machines."""

from __future__ import annotations

from typing import Any

from ..jobs.description import JobDescription
from ..jobs.schema import json_schema
from ..jobs.wadl import wadl_document
from ..uws.errors import NotFound, UsageError
from ..uws.html import POLICY, preferred
from .description_page import description_page
from .pages import Page
from .resources import offered

WADL = "application/vnd.sun.wadl+xml"


class _Types(Page):
    def told(self, description: JobDescription) -> dict[str, Any]:
        """A description without what it runs, and the resources that its jobs can ask for here."""
        entry = description.model_dump(mode="json", exclude={"entry_point", "command", "script"})
        resources = offered(description, self.service.executor.config)
        return {
            **entry,
            "sha256": description.digest,
            "schema": json_schema(description),
            "resources": resources,
        }


class TypesHandler(_Types):
    """The job descriptions, each with the JSON Schema of its parameters, and what is wrong with others."""

    def get(self) -> None:
        registry = self.service.registry
        self.write(
            {"types": [self.told(description) for description in registry.values()], "problems": registry.problems}
        )

    head = get


class _OfType(_Types):
    def description(self, name: str) -> JobDescription:
        try:
            return self.service.registry[name]
        except KeyError:
            known = ", ".join(self.service.registry) or "none"
            raise NotFound(f"there is no job type '{name[:80]}'; the job types are: {known}") from None


class SchemaHandler(_OfType):
    """The JSON Schema of a type's parameters."""

    def get(self, name: str) -> None:
        schema = json_schema(self.description(name))
        self.set_header("Content-Type", "application/schema+json; charset=UTF-8")
        self.write({"$id": f"{self.root}uws/{name}/schema", **schema})
        self.set_header("Content-Type", "application/schema+json; charset=UTF-8")

    head = get


class DescriptionHandler(_OfType):
    """A page for browsers; WADL or JSON where ``?format=`` or the Accept header asks for it."""

    def get(self, name: str) -> None:
        description = self.description(name)
        self.add_header("Vary", "Accept")
        match self._format():
            case "html":
                self.set_header("Content-Type", "text/html; charset=UTF-8")
                self.set_header("Content-Security-Policy", POLICY)
                self.write(description_page(description, self.root))
            case "wadl":
                self.set_header("Content-Type", f"{WADL}; charset=UTF-8")
                self.write(wadl_document(description, self.root))
            case "json":
                self.write(self.told(description))
            case unknown:
                raise UsageError(f"format '{unknown[:60]}' is not one of html, wadl, json")

    head = get

    def _format(self) -> str:
        if asked := self.get_query_argument("format", ""):
            return asked.lower()
        accept = self.request.headers.get("Accept", "")
        if WADL in accept:
            return "wadl"
        if "application/json" in accept and not preferred(accept):
            return "json"
        return "html"
