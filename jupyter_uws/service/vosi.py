"""What the job service says of itself to VO tools: capabilities, availability, and a descriptor of each job type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..jobs.descriptor import descriptor_document
from ..markup import leaf, tag
from ..methods import MethodsMixin
from ..uws.errors import NotFound
from ..vosi import (
    AVAILABILITY,
    CAPABILITIES,
    availability_document,
    capabilities_document,
    capability,
    interface,
    tell_age,
)
from .handlers import ServiceHandler

if TYPE_CHECKING:
    from .app import Service

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"


class _Document(MethodsMixin, ServiceHandler):
    def initialize(self, service: Service) -> None:
        self.service = service

    def document(self, text: str, content_type: str = "text/xml; charset=UTF-8") -> None:
        self.set_header("Content-Type", content_type)
        self.write(text)


class CapabilitiesHandler(_Document):
    """One UWS for each job type (VOSI 1.1, section 3)."""

    def get(self) -> None:
        uws = f"{self.root}uws"
        lists = [
            tag(
                "capability",
                leaf("description", description.title or description.name),
                interface(f"{uws}/{name}", role="std", version="1.1"),
                standardID=UWS,
            )
            + "\n"
            for name, description in self.service.registry.items()
        ]
        own = [capability(CAPABILITIES, f"{uws}/capabilities"), capability(AVAILABILITY, f"{uws}/availability")]
        tell_age(self)
        self.document(capabilities_document([*lists, *own]))

    head = get


class AvailabilityHandler(_Document):
    """Whether jobs can be created now: the store answers."""

    def get(self) -> None:
        try:
            self.service.store.count_active()
        except Exception as error:
            # the reason may hold paths; the log has it
            self.document(availability_document(f"the job store does not answer ({type(error).__name__})"))
        else:
            self.document(availability_document())

    head = get


class DescriptorHandler(_Document):
    """``/uws/<type>/descriptor``: the job type as a service descriptor."""

    def get(self, job_type: str) -> None:
        description = self.service.registry.get(job_type)
        if description is None:
            known = ", ".join(self.service.registry) or "none"
            raise NotFound(f"there is no job type '{job_type[:80]}'; the job types are: {known}")
        document = descriptor_document(description, f"{self.root}uws/{job_type}")
        self.document(document, "application/x-votable+xml; content=datalink")

    head = get
