"""What the job service says of itself to VO tools: capabilities, availability, and a descriptor of each job type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..jobs.descriptor import descriptor_document
from ..methods import MethodsMixin
from ..uws.errors import NotFound
from ..vosi import availability_document, capabilities_document, capability, of_itself, tell_age, write_document
from .handlers import ServiceHandler

if TYPE_CHECKING:
    from .app import Service

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"


class _Document(MethodsMixin, ServiceHandler):
    def initialize(self, service: Service) -> None:
        self.service = service


class CapabilitiesHandler(_Document):
    """One UWS for each job type (VOSI 1.1, section 3)."""

    def get(self) -> None:
        uws = f"{self.root}uws"
        lists = [
            capability(UWS, f"{uws}/{name}", title=each.title or each.name, role="std", version="1.1")
            for name, each in self.service.registry.items()
        ]
        tell_age(self)
        write_document(self, capabilities_document([*lists, *of_itself(uws)]))

    head = get


class AvailabilityHandler(_Document):
    """Whether jobs can be created now: the store answers."""

    def get(self) -> None:
        try:
            self.service.store.count_active()
        except Exception as error:
            # the reason may hold paths; the log has it
            write_document(self, availability_document(f"the job store does not answer ({type(error).__name__})"))
        else:
            write_document(self, availability_document())

    head = get


class DescriptorHandler(_Document):
    """``/uws/<type>/descriptor``: the job type as a service descriptor."""

    def get(self, job_type: str) -> None:
        description = self.service.registry.get(job_type)
        if description is None:
            known = ", ".join(self.service.registry) or "none"
            raise NotFound(f"there is no job type '{job_type[:80]}'; the job types are: {known}")
        document = descriptor_document(description, f"{self.root}uws/{job_type}")
        self.set_header("Content-Type", "application/x-votable+xml; content=datalink")
        self.write(document)

    head = get
