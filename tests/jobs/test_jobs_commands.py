"""Command and script jobs on a real service: what reaches the program, and what never happens."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from described import UWS, DescribedService, message, results
from running import wait_until

from jupyter_uws.jobs.description import JobDescription, Parameter
from jupyter_uws.jobs.jdl_write import write_jdl

#: Tells all that a program is told: arguments, environment, request.json, files, standard input.
TELL = f"""\
#!{sys.executable}
import json, os, sys
told = {{
    "argv": sys.argv[1:],
    "env": {{name: value for name, value in os.environ.items() if name.startswith("UWS_")}},
    "values": json.load(open("../request.json"))["parameters"]["values"],
    "files": sorted(os.listdir()),
    "stdin": sys.stdin.read(),
}}
json.dump(told, open("told.json", "w"))
"""

COMMAND = """\
name: tell
title: Tell all
parameters:
  text: {type: string}
  free: {type: string}
  RA: {type: number, unit: deg}
  obs_ids: {type: string, multiple: true}
  deep: {type: boolean, default: false}
  events: {type: file, content_types: ["text/*"], filename: events.txt}
command:
  - ./tell.py
  - "--text={text}"
  - [--ra, "{RA}"]
  - ["--run", "{obs_ids}"]
  - "deep:{deep}"
  - "{events}"
  - --
  - "{free}"
generated:
  told: {path: told.json, content_type: application/json}
"""

SCRIPT = JobDescription(
    name="tell-script",
    parameters=(Parameter(name="text"), Parameter(name="obs_ids", multiple=True), Parameter(name="count", default="0")),
    script="""\
# OPUS style: parameters and results are shell variables
printf '%s' "$text" > $output
echo $obs_ids > runs.txt
for run in $obs_ids; do echo "run $run"; done
env > environment.txt
""",
    generated=(
        {"name": "output", "path": "output.txt", "content_type": "text/plain"},
        {"name": "other", "path": "*s.txt", "optional": True},
        {"name": "environment", "path": "environment.txt"},
    ),
)


@pytest.fixture(scope="module")
def service(described: DescribedService) -> DescribedService:
    program = described.folder / "tell.py"
    program.write_text(TELL)
    program.chmod(0o700)
    described.describe("tell.yaml", COMMAND)
    described.describe("tell-script_vot.xml", write_jdl(SCRIPT))
    described.has("tell")
    described.has("tell-script")
    return described


def test_values_reach_a_command_by_arguments_environment_and_file(service: DescribedService) -> None:
    job = service.submit(
        "tell",
        {"text": "two words", "ra": "-83.5", "OBS_IDS": "1 2,3", "free": "-x"},
        files={"events": ("a b;c.txt", b"an event\n", "text/plain")},
    )
    document = service.ended(job)
    assert document.findtext(f"{UWS}phase") == "COMPLETED", service.service.get(f"{job}/stderr").text
    assert results(document) == ["told"]
    told = json.loads(service.result(job, "told"))
    runs = ["--run", "1", "--run", "2", "--run", "3"]
    assert told["argv"] == ["--text=two words", "--ra", "-83.5", *runs, "deep:false", "events.txt", "--", "-x"]
    variables = {name.removeprefix("UWS_PARAM_"): told["env"][name] for name in told["env"] if "PARAM" in name}
    assert variables == {
        "TEXT": "two words",
        "FREE": "-x",
        "RA": "-83.5",
        "OBS_IDS": "1 2 3",
        "DEEP": "false",
        "EVENTS": "events.txt",
    }
    assert told["values"]["obs_ids"] == ["1", "2", "3"]
    assert told["values"]["RA"] == -83.5
    assert (service.job_folder(job) / told["values"]["events"]).read_text() == "an event\n"
    assert (told["files"], told["stdin"]) == (["events.txt"], "")


def test_arguments_without_a_value_are_left_out(service: DescribedService) -> None:
    job = service.submit("tell")
    service.ended(job)
    assert json.loads(service.result(job, "told"))["argv"] == ["deep:false", "--"]


HOSTILE = [
    "$(touch EVIL)",
    "`touch EVIL`",
    "; touch EVIL",
    "x; touch EVIL; y",
    "| touch EVIL",
    "& touch EVIL &",
    "&& touch EVIL",
    "> EVIL",
    "'; touch EVIL; '",
    '"; touch EVIL; "',
    '"$(touch EVIL)"',
    "${IFS}touch${IFS}EVIL",
    "\n touch EVIL \n",
    "\\\ntouch EVIL",
    "$((a[$(touch EVIL)]))",
    "a[$(touch EVIL)]",
    "() { :; }; touch EVIL",
    "<(touch EVIL)",
    "!touch EVIL",
    "{a,b} ~ * ? [a-z]",
    "../../EVIL",
    "/etc/passwd",
    "%s %n {text} {{text}} {0}",
    "é ☃ 𝒳 \t",
]


def traces(service: DescribedService) -> list[Path]:
    """Files that only executed values could have made."""
    return [*service.service.state_dir.rglob("EVIL*"), *service.folder.rglob("EVIL*"), *Path.cwd().glob("EVIL*")]


def test_no_value_is_executed_by_a_command(service: DescribedService) -> None:
    jobs = {text: service.submit("tell", {"text": text, "free": text}) for text in HOSTILE}
    for text, job in jobs.items():
        document = service.ended(job)
        assert document.findtext(f"{UWS}phase") == "COMPLETED", (text, message(document))
        told = json.loads(service.result(job, "told"))
        assert told["argv"] == [f"--text={text}", "deep:false", "--", text]
        assert told["env"]["UWS_PARAM_TEXT"] == text
        assert told["files"] == []
    assert traces(service) == []


def test_no_value_is_executed_by_a_script(service: DescribedService) -> None:
    jobs = {text: service.submit("tell-script", {"text": text, "count": text}) for text in HOSTILE}
    for text, job in jobs.items():
        document = service.ended(job)
        assert document.findtext(f"{UWS}phase") == "COMPLETED", (text, message(document))
        assert service.result(job, "output") == text
        source = (service.job_folder(job) / "script.sh").read_text()
        assert text not in source
    assert traces(service) == []


@pytest.mark.parametrize("job_type", ["tell", "tell-script"])
@pytest.mark.parametrize(
    "name",
    [
        "true;touch EVIL;y",
        "PATH",
        "LD_PRELOAD",
        "BASH_ENV",
        "IFS",
        "$(touch EVIL)",
        "text[0]",
        "BASH_FUNC_ls%%",
        "a\nb",
    ],
)
def test_no_name_that_is_not_described_reaches_a_job(service: DescribedService, job_type: str, name: str) -> None:
    answer = service.service.post(f"uws/{job_type}?PHASE=RUN", {name: "x"})
    assert answer.status_code == 400
    assert "has no parameter" in answer.text
    assert traces(service) == []


@pytest.mark.parametrize("text", ["a\0b", "\x1b[0m", "\ufffe"])
def test_what_no_argument_can_hold_is_refused(service: DescribedService, text: str) -> None:
    for job_type in ("tell", "tell-script"):
        answer = service.service.post(f"uws/{job_type}", {"text": text})
        assert answer.status_code == 400
        assert "is not allowed" in answer.text or "NUL" in answer.text


def test_a_value_that_could_be_an_option_is_refused(described: DescribedService) -> None:
    text = "name: leading\nparameters: {text: {}, mode: {choices: ['-a', '-b']}}\ncommand: [echo, '{text}', '{mode}']\n"
    described.describe("leading.yaml", text)
    described.has("leading")
    answer = described.service.post("uws/leading", {"text": "--help"})
    assert (answer.status_code, "begins with '-'" in answer.text) == (400, True)
    job = described.submit("leading", {"text": "help", "mode": "-a"})
    described.ended(job)
    assert described.service.get(f"{job}/stdout").text == "help -a\n"


def test_values_that_no_command_line_can_hold_are_refused(service: DescribedService) -> None:
    answer = service.service.post("uws/tell", {"text": "é" * 90_000})
    assert (answer.status_code, "more than a command can be given" in answer.text) == (400, True)
    job = service.submit("tell", {"text": "é" * 50_000})
    assert service.ended(job).findtext(f"{UWS}phase") == "COMPLETED"


def test_a_script_has_its_variables_and_exports_none(service: DescribedService) -> None:
    job = service.submit("tell-script", {"text": "hello", "obs_ids": ["1", "2"]})
    document = service.ended(job)
    assert results(document) == ["output", "other", "environment"]
    assert service.result(job, "other") == "1 2\n"
    assert service.service.get(f"{job}/stdout").text == "run 1\nrun 2\n"
    environment = service.result(job, "environment").splitlines()
    assert "UWS_PARAM_TEXT=hello" in environment
    assert not [line for line in environment if line.startswith(("text=", "output=", "obs_ids="))]


FAILURES = """\
name: fail
parameters:
  how: {choices: [status, signal, nothing, many, link, folder, progress, middle]}
script: |
  echo "about to $how" >&2
  case $how in
    status) echo part > wanted-1.txt; exit 3;;
    signal) kill -SEGV $$;;
    nothing) ;;
    many) for i in 1 2 3 4 5; do echo $i > wanted-$i.txt; done;;
    link) ln -s /etc/passwd wanted-1.txt;;
    folder) mkdir wanted-1.txt;;
    progress) echo '{"progress": 0.5, "message": "half"}' >&$UWS_PROGRESS_FD; echo x > wanted-1.txt;;
    middle) false; echo x > wanted-1.txt;;
  esac
generated:
  wanted: {path: "wanted-*.txt", content_type: text/plain, max_items: 3}
"""


@pytest.mark.parametrize(
    ("how", "phase", "said", "found"),
    [
        ("status", "ERROR", "exit status 3", ["wanted"]),
        ("signal", "ERROR", "killed by SIGSEGV", []),
        ("nothing", "ERROR", "did not write wanted (wanted-*.txt)", []),
        ("many", "COMPLETED", "", ["wanted", "wanted-2", "wanted-3"]),
        ("link", "ERROR", "did not write wanted", []),
        ("folder", "ERROR", "did not write wanted", []),
        ("progress", "COMPLETED", "", ["wanted"]),
        ("middle", "ERROR", "exit status 1", []),
    ],
)
def test_how_a_script_ends(described: DescribedService, how: str, phase: str, said: str, found: list[str]) -> None:
    described.describe("fail.yaml", FAILURES)
    described.has("fail")
    job = described.submit("fail", {"how": how})
    document = described.ended(job)
    assert (document.findtext(f"{UWS}phase"), results(document)) == (phase, found), message(document)
    assert said in message(document)
    if how == "status":
        assert "about to status" in described.service.get(f"{job}/error").text
    if how == "progress":
        assert float(document.findtext(f"{UWS}jobInfo/progress") or 0) == 0.5


def test_an_observer_names_a_result_but_only_in_the_work_folder(described: DescribedService) -> None:
    described.describe(
        "named.yaml",
        "name: named\nparameters: {out: {required: true}}\ncommand: [touch, a.txt, 'b*.txt', 'b1.txt']\n"
        "generated: {file: {path: '{out}.txt'}}\n",
    )
    described.has("named")
    for name, phase in (
        ("a", "COMPLETED"),
        ("b*", "COMPLETED"),
        ("b?", "ERROR"),
        ("../a", "ERROR"),
        ("/etc/a", "ERROR"),
    ):
        job = described.submit("named", {"out": name})
        document = described.ended(job)
        assert document.findtext(f"{UWS}phase") == phase, message(document)
        assert results(document) == (["file"] if phase == "COMPLETED" else [])


def test_a_program_that_is_not_there_is_named(described: DescribedService) -> None:
    described.describe("gone.yaml", "name: gone\ncommand: [no-such-program-anywhere]\n")
    described.has("gone")
    document = described.ended(described.submit("gone"))
    assert message(document) == "no-such-program-anywhere cannot be run: No such file or directory"


def test_abort_ends_the_program_and_its_children(described: DescribedService) -> None:
    described.describe("sleepy.yaml", "name: sleepy\nscript: |\n  sleep 432 & sleep 433\n")
    described.has("sleepy")
    job = described.submit("sleepy")
    folder = described.job_folder(job)

    def processes() -> list[str]:
        return [path.name for path in Path("/proc").glob("[0-9]*") if str(folder) in _environment(path)]

    wait_until(lambda: len(processes()) >= 4)
    assert described.service.post(f"{job}/phase", {"PHASE": "ABORT"}).status_code == 303
    assert described.service.get(f"{job}/phase").text == "ABORTED"
    assert processes() == []


def _environment(process: Path) -> str:
    try:
        return (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
