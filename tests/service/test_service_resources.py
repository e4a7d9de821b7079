"""What jobs may ask for of the cluster, and what clients are told who ask for more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from running import RunningService, run_service
from test_service_jobs import document, ended, submit

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.shape import OVERHEAD, Maxima
from jupyter_uws.jobs.description import JobDescription
from jupyter_uws.service.config import ServeApp
from jupyter_uws.service.resources import limits_of, maxima, offered, resource_names, resources
from jupyter_uws.uws.errors import UsageError

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


def described(**fields: Any) -> JobDescription:
    return JobDescription(name="cube", command=("true",), memory_limit=2048, **fields)


def cluster(backend: str = "slurm", limits: Mapping[str, Any] | None = None, **options: Any) -> ClusterConfig:
    options = options if backend == "local" else {"cores": 4, "memory": "8 GiB", **options}
    return ClusterConfig(backend, options=options, maxima=maxima(backend, limits or {}))


def test_the_types_own_word() -> None:
    description = described(cores=2, gpus=1, partition="gpu", constraint="a100|h100")
    assert resources(description, {}, cluster()) == {
        "cores": "2",
        "memory": "2048 MiB",
        "gpus": "1",
        "partition": "gpu",
        "constraint": "a100|h100",
    }
    # names of the batch system mean nothing on this host
    assert resources(description, {}, cluster("local")) == {"cores": "2", "memory": "2048 MiB", "gpus": "1"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"cores": "4"}, {"cores": "4", "memory": "2048 MiB"}),
        ({"memory": "6 GiB"}, {"cores": "1", "memory": "6144 MiB"}),
        ({"memory": "512"}, {"cores": "1", "memory": "512 MiB"}),
        ({"gpus": "0", "partition": "", "account": ""}, {"cores": "1", "memory": "2048 MiB"}),
    ],
)
def test_the_clients_word(asked: dict[str, str], expected: dict[str, str]) -> None:
    found = resources(described(), asked, cluster())
    assert found == expected
    assert resources(described(), found, cluster()) == expected
    limits = limits_of(found, described())
    assert limits["cores"] == int(expected["cores"])
    assert f"{limits['memory_limit']} MiB" == expected["memory"]


LIMITS = {"cores": 16, "memory": "64 GiB", "gpus": 2, "partitions": ["fat", "gpu"], "constraints": ["avx"]}


@pytest.mark.parametrize(
    ("asked", "limits", "words"),
    [
        ({"cores": "5"}, {}, "CORES '5' is more than the 4 that a job may have here"),
        ({"cores": "17"}, LIMITS, "CORES '17' is more than the 16 that a job may have here"),
        ({"cores": "0"}, LIMITS, "CORES '0' is not a whole number of at least 1"),
        ({"cores": "two"}, LIMITS, "CORES 'two' is not a whole number of at least 1"),
        ({"cores": "4; reboot"}, LIMITS, "CORES '4; reboot' is not a whole number of at least 1"),
        ({"memory": "9 GiB"}, {}, "MEMORY '9 GiB' is more than the 7936 MiB that a job may have here"),
        ({"memory": "65 GiB"}, LIMITS, "MEMORY '65 GiB' is more than the 65536 MiB that a job may have here"),
        ({"memory": "much"}, {}, "MEMORY 'much' is not a size such as '8 GiB', or a whole number of MiB"),
        ({"memory": "1 MiB"}, {}, "MEMORY '1 MiB' is less than 64 MiB"),
        ({"gpus": "1"}, {}, "GPUS '1' is more than the 0 that a job may have here"),
        ({"gpus": "3"}, LIMITS, "GPUS '3' is more than the 2 that a job may have here"),
        ({"partition": "fat"}, {}, "PARTITION 'fat' may not be chosen; those that may are: none"),
        ({"partition": "nowhere"}, LIMITS, "PARTITION 'nowhere' may not be chosen; those that may are: fat, gpu"),
        ({"account": "cta"}, LIMITS, "ACCOUNT 'cta' may not be chosen; those that may are: none"),
        ({"constraint": "avx\n#SBATCH -w n1"}, LIMITS, "CONSTRAINT 'avx\n#SBATCH -w n1' may not be chosen"),
    ],
)
def test_more_than_there_may_be(asked: dict[str, str], limits: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        resources(described(), asked, cluster(limits=limits))
    assert str(refused.value).startswith(words)


def test_a_type_that_can_never_fit() -> None:
    with pytest.raises(UsageError) as refused:
        resources(described(cores=32), {}, cluster(limits=LIMITS))
    assert str(refused.value) == (
        "jobs of the type 'cube' ask for 32 of cores, more than the 16 that a job may have here; "
        "send CORES=16 to try with 16 or less of cores"
    )
    # what the operator installed is had from the batch system where no limit says otherwise
    assert resources(described(cores=32), {}, cluster())["cores"] == "32"
    # but not where dask-jobqueue cannot ask for it
    with pytest.raises(UsageError, match=r"ask for 32 of cores, more than the 4 that"):
        resources(described(cores=32), {}, cluster("sge"))
    with pytest.raises(UsageError, match="ask for 1 of gpus, more than the 0 that a job may have here; send GPUS=0 to"):
        resources(described(gpus=1), {}, cluster("pbs"))
    with pytest.raises(UsageError, match="constraint 'avx': pbs jobs are not given a constraint here"):
        resources(described(constraint="avx"), {}, cluster("pbs"))


def test_on_this_host() -> None:
    with pytest.raises(UsageError, match="PARTITION cannot be chosen: jobs run on the service's own host"):
        resources(described(), {"partition": "fat"}, cluster("local"))
    with pytest.raises(UsageError, match="CORES '5000' is more than the"):
        resources(described(), {"cores": "5000"}, cluster("local"))


def test_a_parameter_of_the_same_name_is_the_jobs() -> None:
    description = described(parameters=[{"name": "Memory", "type": "string"}])
    assert "memory" not in resource_names(description)
    assert "cores" in resource_names(description)


@pytest.mark.parametrize("name", ["partition", "account", "constraint"])
@pytest.mark.parametrize("value", ["a b", "a\nb", "a'b", "$(id)", "-w", "`id`", "a;b"])
def test_descriptions_name_nothing_that_a_job_script_would_interpret(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        described(**{name: value})


def test_the_operators_limits() -> None:
    assert maxima("slurm", {**LIMITS, "walltime": "3-00:00:00"}) == Maxima(
        16, 65536, 2, 3 * 86400, ("fat", "gpu"), (), ("avx",)
    )
    for limits, words in (
        ({"cores": "4"}, "cores is '4'; it must be a whole number"),
        ({"memory": "lots"}, "'lots' is not a size"),
        ({"walltime": "soon"}, "walltime is 'soon'; it must be a time"),
        ({"partitions": "fat"}, "partitions is 'fat'; it must be a list"),
        ({"partitions": ["fat; reboot"]}, "it must be a list of names without blanks"),
        ({"disk": 1}, "'disk' is not one of cores, memory, gpus, walltime, partitions, accounts, constraints"),
    ):
        with pytest.raises(ValueError, match=words):
            maxima("slurm", limits)
        with pytest.raises(Exception, match=f"resource_limits: .*{words}"):
            ServeApp(resource_limits=limits)


@pytest.fixture(scope="module")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with run_service(tmp_path_factory.mktemp("resources"), sim_archive, "--workers=1") as running:
        yield running


def info(service: RunningService, job: str) -> dict[str, str]:
    found = document(service, job).find(f"{UWS}jobInfo")
    return {} if found is None else {element.tag: element.text or "" for element in found}


def test_a_job_gets_what_its_client_asked_for(service: RunningService) -> None:
    """As its limit, over HTTP."""
    job = submit(service, "sleeper", phase=None, duration=0, cores=1, Memory="300 MiB")
    assert info(service, job) == {"cores": "1", "memory": "300 MiB"}
    assert service.post(f"{job}/parameters", {"MEMORY": "400"}).status_code == 303
    refused = service.post(f"{job}/parameters", {"MEMORY": "1 EB"})
    assert (refused.status_code, refused.text) == (
        400,
        "MEMORY '1 EB' is not a size such as '8 GiB', or a whole number of MiB\n",
    )
    assert service.post(job, {"PHASE": "RUN"}).status_code == 303
    ended(service, job)
    assert info(service, job)["memory"] == "400 MiB"
    late = service.post(f"{job}/parameters", {"MEMORY": "500"})
    assert late.status_code == 403
    assert "resources can be set only while it is PENDING" in late.text


def test_a_job_that_can_never_fit_is_not_created(service: RunningService) -> None:
    before = service.get("uws/sleeper").text
    refused = service.post("uws/sleeper", {"duration": 0, "CORES": "5000", "PHASE": "RUN"})
    assert refused.status_code == 400
    assert refused.text.startswith("CORES '5000' is more than the ")
    twice = service.post("uws/sleeper", {"CORES": ["1", "2"]})
    assert twice.text == "CORES is given 2 times with different values; give it once\n"
    assert service.get("uws/sleeper").text == before


def test_forms_are_told_what_may_be_asked_for() -> None:
    limits = {"cores": 16, "partitions": ["long", "short"]}
    assert offered(described(cores=2, partition="short"), cluster(limits=limits)) == {
        "cores": {"default": 2, "maximum": 16},
        "memory": {"default": 2048, "maximum": 8192 - OVERHEAD},
        "partition": {"default": "short", "choices": ["long", "short"]},
    }
    own = offered(described(gpus=1), cluster("local"))
    assert set(own) == {"cores", "memory", "gpus"}  # nobody chooses names on the service's own host
    assert own["gpus"] == {"default": 1, "maximum": 1}
    named = described(parameters=({"name": "Cores", "type": "integer"},))
    assert "cores" not in offered(named, cluster())
