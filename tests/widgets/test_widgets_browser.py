"""The widgets in cells of real notebooks, in JupyterLab and in Notebook 7, with the real service and a real kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsers import PATIENCE, shot, shot_dark, violations
from lab.conftest import Browsing, Lab
from lab.test_jobs_panel import describe_count_lines, submit
from lab.test_quickstart import KERNEL_IS_IDLE
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from running import RunningService

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
#: Where a notebook is opened.
PROGRAMS = {"lab": "lab/tree/{}?token=of-the-tests&reset", "notebook": "notebooks/{}?token=of-the-tests"}
#: What Notebook 7 itself complains of.
NOT_OURS = re.compile(r"notebook_core|favicon|Failed to load resource")
#: How often the kernel is restarted, and where it is.
RESTARTS = 3
KERNEL = "jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
JOB_LIST = "from jupyter_uws.widgets import JobList\nJobList(type='sleeper')"


@dataclass
class Notebook:
    """A notebook in a browser."""

    page: Page
    lab: Lab
    program: str

    def open(self, name: str, *cells: str) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.lab.root / f"{name}-{self.program}.ipynb")
        self.page.goto(self.lab.url + PROGRAMS[self.program].format(f"{name}-{self.program}.ipynb"))

    def run(self, number: int) -> Locator:
        """Run a cell, counted from 0; its output. Without a kernel JupyterLab would ask for one in a dialog."""
        cell = self.page.locator(".jp-CodeCell").nth(number)
        self.page.wait_for_function(KERNEL_IS_IDLE)
        prompt = cell.locator(".jp-InputPrompt")
        # a widget may have an editor, too
        source = cell.locator(".jp-Cell-inputArea .cm-content")
        source.wait_for()
        before = prompt.inner_text()
        for _ in range(40):
            source.click()
            self.page.keyboard.press("Shift+Enter")
            try:
                expect(prompt).not_to_have_text(before, timeout=3000)
                break
            except AssertionError:
                continue
        expect(prompt).to_have_text(re.compile(r"\[\d"))
        return cell.locator(".jp-OutputArea")

    def write(self, number: int, text: str) -> None:
        """Put a text into an empty cell, as from the clipboard: no bracket is closed, no line indented."""
        self.page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
        self.page.keyboard.insert_text(text)

    def restart(self) -> None:
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_function(f"() => !({KERNEL_IS_IDLE})()")

    def shot(self, name: str) -> None:
        take = shot_dark if self.program == "lab" else shot
        take(self.page, f"widgets/{name}-{self.program}")


@pytest.fixture(params=list(PROGRAMS))
def notebook(request: Any, browsing: Browsing, lab: Lab) -> Iterator[Notebook]:
    yield Notebook(browsing.page, lab, request.param)
    assert browsing.foreign == []
    assert [text for text in browsing.errors if not NOT_OURS.search(text)] == []


def test_job_list_lives(notebook: Notebook) -> None:
    """New jobs come, their phases change, they can be stopped; and so after the kernel was restarted."""
    page, name = notebook.page, f"seen-{notebook.program}"
    notebook.open("list", JOB_LIST)
    widget = notebook.run(0).locator(".jp-UWSWidget")
    expect(widget.locator(".jp-UWSJobs-note, .jp-UWSJobs-rows")).to_be_visible()
    submit(page, notebook.lab.url, duration="300", RUNID=name, PHASE="RUN")
    row = widget.locator(".jp-UWSJobs-job", has_text=name)
    expect(row).to_have_attribute("data-phase", "EXECUTING")
    assert violations(page, ".jp-UWSWidget") == []
    widget.get_by_role("button", name="Show code").click()
    expect(widget.get_by_label("Code", exact=True)).to_contain_text('uws.query(type="sleeper")')
    notebook.shot("list")

    notebook.restart()
    expect(widget.get_by_role("alert")).to_contain_text("run the widget's cell again")
    notebook.run(0)
    expect(widget.get_by_role("button", name="Show code")).to_be_visible()  # another one
    expect(row).to_have_attribute("data-phase", "EXECUTING")
    row.get_by_role("button", name=f"Abort sleeper {name}").click()
    expect(row).to_have_attribute("data-phase", "ABORTED")
    row.get_by_role("button", name=f"Delete sleeper {name}").click()
    widget.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


@pytest.mark.parametrize("notebook", ["notebook"], indirect=True)
def test_questions_that_are_lost(notebook: Notebook) -> None:
    """Where the kernel never hears of a question, the widget says so after a while, and asks again when told to."""
    lost: list[bytes] = []
    is_deaf = True

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            raw = message.encode() if isinstance(message, str) else message
            if is_deaf and b'"comm_msg"' in raw and b'"custom"' in raw:
                lost.append(raw)
            else:
                server.send(message)

        socket.on_message(pass_on)

    notebook.page.route_web_socket(re.compile("/channels"), between)
    notebook.open("lost", JOB_LIST)
    widget = notebook.run(0).locator(".jp-UWSWidget")
    expect(widget.get_by_text("Asking the service")).to_be_visible()
    alert = widget.get_by_role("alert")
    expect(alert).to_contain_text("The kernel does not answer", timeout=60_000)
    # as in the page of an exported notebook, there is what it showed when its cell was run
    expect(widget.locator(".jp-UWSWidget-still")).to_be_visible()
    assert violations(notebook.page, ".jp-UWSWidget") == []
    notebook.shot("lost")
    assert len(lost) > 2
    is_deaf = False
    alert.get_by_role("button", name="Ask again").click()
    expect(widget.get_by_text("Asking the service")).to_have_count(0)
    expect(alert).to_have_count(0)


@pytest.mark.parametrize("notebook", ["lab"], indirect=True)
def test_no_question_is_lost_by_restarts(notebook: Notebook) -> None:
    """A widget that is made right after a restart is answered, and so is one after the kernel died."""
    page = notebook.page
    notebook.open("restarts", JOB_LIST)
    widget = notebook.run(0).locator(".jp-UWSWidget")
    for restart in range(RESTARTS + 1):
        if restart < RESTARTS:
            notebook.restart()
        else:
            page.evaluate(f"() => {{ void {KERNEL}.requestExecute({{ code: 'import os; os._exit(1)' }}); }}")
            page.locator(".jp-Dialog .jp-mod-accept").click()
        notebook.run(0)
        expect(widget.locator(".jp-UWSJobs-note, .jp-UWSJobs-rows")).to_be_visible()
        expect(widget.get_by_text("Asking the service")).to_have_count(0)
        expect(widget.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("notebook", ["lab"], indirect=True)
def test_a_subshell_of_the_kernel_before_is_left(notebook: Notebook) -> None:
    """Where JupyterLab goes on to send a widget's questions to a subshell that ended, and has no record of it."""
    page = notebook.page
    notebook.open("subshell", JOB_LIST)
    widget = notebook.run(0).locator(".jp-UWSWidget")
    expect(widget.locator(".jp-UWSJobs-note, .jp-UWSJobs-rows")).to_be_visible()
    # made by hand: what was once taken for this after a restart was ipykernel's doing (test_widgets_kernel.py)
    comms = page.evaluate(
        f"""() => [...{KERNEL}._comms.values()].map(comm => {{
            delete comm.constructor._commTargetSubShellsId[{KERNEL}.id];
            comm._subshellId = 'of the kernel before';
        }}).length"""
    )
    assert comms > 0
    widget.get_by_title("New job").click()
    widget.get_by_label("Job type").select_option("sleeper")
    expect(widget.get_by_label("duration: Duration [s]")).to_have_value("5")
    expect(widget.get_by_role("alert")).to_have_count(0)


@pytest.mark.gamma
def test_from_the_form_to_the_result(notebook: Notebook) -> None:
    """A job is started in a form and followed to its picture; its page and its map in cells of their own."""
    notebook.open(
        "form",
        "from jupyter_uws.widgets import *\n"
        "form = JobForm('quicklook', position='Crab', obs_ids=['100001', '100002'], nxpix=50, nypix=50)\n"
        "form",
        "JobView(form.job)",
        "result = next(each for each in form.job.results.values() if 'fits' in each.content_type)\nResultView(result)",
        "from jupyter_uws import JobService\nfrom jupyter_uws.widgets import *\n"
        "job = JobService().jobs(type='quicklook')[0]\nJobView(job)",
        "ResultView(job, 'significance')",
    )
    form = notebook.run(0).locator(".jp-UWSWidget")
    expect(form.get_by_label("nxpix: Pixels in x")).to_have_value("50")
    expect(form.get_by_label("obs_ids: Runs")).to_have_value("100001 100002")
    form.get_by_role("button", name="Show code").click()
    expect(form.get_by_label("Code", exact=True)).to_contain_text("nxpix=50")
    form.get_by_role("button", name="Hide code").click()
    notebook.shot("form")
    form.get_by_role("button", name="Run now").click()
    page = form.locator(".jp-UWSPage[data-phase=COMPLETED]")
    expect(page).to_be_visible(timeout=2 * PATIENCE)
    check_picture(page)

    job = notebook.run(1).locator(".jp-UWSWidget")
    expect(job.locator(".jp-UWSPage[data-phase=COMPLETED]")).to_be_visible()
    check_picture(job)
    notebook.shot("job")
    with notebook.page.expect_download() as downloading:
        job.locator(".jp-UWSPage-file", has_text="image/png").first.get_by_role("link", name="Download").click()
    assert downloading.value.path().read_bytes().startswith(b"\x89PNG")
    assert downloading.value.suggested_filename.endswith(".png")

    result = notebook.run(2).locator(".jp-UWSWidget")
    expect(result.locator("canvas").first).to_be_visible()
    result.scroll_into_view_if_needed()
    notebook.shot("result")
    result.get_by_role("button", name="Show code").click()
    expect(result.get_by_label("Code", exact=True)).to_contain_text(".results[")

    # after a restart each says so, also where a job would go on; job and result are found again
    notebook.restart()
    for widget in (form, job, result):
        expect(widget.get_by_role("alert")).to_contain_text("run the widget's cell again")
    again = notebook.run(3).locator(".jp-UWSWidget")
    expect(again.locator(".jp-UWSPage[data-phase=COMPLETED]")).to_be_visible()
    check_picture(again)
    expect(notebook.run(4).locator(".jp-UWSWidget canvas").first).to_be_visible()


def check_picture(page: Locator) -> None:
    picture = page.locator("img").first
    expect(picture).to_have_attribute("src", re.compile("^blob:"))
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 100


@pytest.mark.parametrize("notebook", ["notebook"], indirect=True)
def test_files_of_the_notebooks_folder(notebook: Notebook) -> None:
    """A file that Python gives and one that is chosen in the form, which the kernel reads, are the job's."""
    describe_count_lines(notebook.lab)
    given = notebook.lab.root.parent / "given.txt"
    given.write_text("1\n" * 7)
    notebook.open(
        "files",
        f"from jupyter_uws.widgets import JobForm\nform = JobForm('count-lines', text={str(given)!r})\nform",
        "print(form.job.wait().log('stdout'))",
        "",
    )
    form = notebook.run(0).locator(".jp-UWSWidget")
    expect(form.get_by_label("text", exact=False).first).to_have_value(str(given))
    more = form.locator("[data-field=more]")
    more.get_by_role("button", name="From the notebook's folder").click()
    dialog = form.get_by_role("dialog", name="A file of the notebook's folder")
    dialog.get_by_role("option", name="texts").click()
    dialog.get_by_role("option", name="three.txt").click()
    notebook.shot("folder")
    dialog.get_by_role("button", name="Choose").click()
    expect(dialog).to_have_count(0)
    expect(more.get_by_role("textbox")).to_have_value("texts/three.txt")
    form.get_by_role("button", name="Show code").click()
    code = form.get_by_label("Code", exact=True)
    expect(code).to_contain_text('more="texts/three.txt"')
    shown = code.inner_text()
    form.get_by_role("button", name="Run now").click()
    expect(form.locator(".jp-UWSPage[data-phase=COMPLETED]")).to_be_visible()
    lines = re.compile(r"7 \S+\s+3 \S+\s+10 total")
    expect(notebook.run(1)).to_contain_text(lines)
    # the code that was shown does the same, as it stands
    notebook.write(2, shown + "\nprint(job.log('stdout'))")
    expect(notebook.run(2)).to_contain_text(lines)


def test_search_leads_to_python(notebook: Notebook) -> None:
    """What is marked in the search is known in the next cell, and fills a form."""
    notebook.open(
        "search",
        "from jupyter_uws.widgets import SearchWidget\nsearch = SearchWidget('Crab')\nsearch",
        "print(len(search.runs), len(search.table), search.table['target_name'][0])",
    )
    search = notebook.run(0).locator(".jp-UWSWidget")
    expect(search.locator(".jp-UWSSearch-total")).to_have_text("4 rows, all there are")
    cells = search.locator(".jp-UWSGrid canvas").last
    cells.click(position={"x": 60, "y": 35})
    cells.click(position={"x": 60, "y": 57}, modifiers=["Shift"])
    expect(search.get_by_role("toolbar", name="Selection")).to_contain_text("2 selected")
    notebook.shot("search")
    expect(notebook.run(1)).to_contain_text("2 2 Sim Crab")
    search.get_by_role("toolbar", name="Selection").get_by_role("button", name="New job").click()
    search.get_by_label("Job type").select_option("quicklook")
    expect(search.get_by_label("obs_ids: Runs")).to_have_value(re.compile(r"ivo://\S+100001 ivo://\S+100002"))
    expect(search.get_by_label("RA: Right ascension [deg]")).to_have_value("83.6331")
    search.get_by_role("button", name="Back").click()
    expect(search.locator(".jp-UWSSearch-total")).to_be_visible()
    notebook.restart()
    expect(search.get_by_role("alert")).to_contain_text("run the widget's cell again")
    notebook.run(0)
    expect(search.get_by_role("alert")).to_have_count(0)
    expect(search.locator(".jp-UWSSearch-total")).to_have_text("4 rows, all there are")


@pytest.mark.parametrize("notebook", ["lab"], indirect=True)
def test_another_service_by_its_url(notebook: Notebook, service: RunningService) -> None:
    """The page asks the kernel, and the kernel asks the service: the page itself asks nobody else."""
    service.post("uws/sleeper", {"duration": "300", "RUNID": "far", "PHASE": "RUN"})
    notebook.open(
        "far",
        "from jupyter_uws.widgets import JobList\n"
        f"JobList(url={service.url!r}, token=open({str(token_file(notebook, service))!r}).read())",
    )
    widget = notebook.run(0).locator(".jp-UWSWidget")
    row = widget.locator(".jp-UWSJobs-job", has_text="far")
    expect(row).to_have_attribute("data-phase", "EXECUTING")
    widget.get_by_role("button", name="Show code").click()
    expect(widget.get_by_label("Code", exact=True)).to_contain_text(f'JobService("{service.url}")')
    assert service.token not in notebook.page.content()
    row.locator(".jp-UWSJobs-open").click()
    page = widget.locator(".jp-UWSPage")
    expect(page.get_by_label("stdout", exact=True)).to_contain_text("sleeping for 300 s")
    page.get_by_role("button", name="Abort").click()
    expect(page.locator(".jp-UWSJobs-phase")).to_have_text("ABORTED")


def token_file(notebook: Notebook, service: RunningService) -> Path:
    path = notebook.lab.root.parent / "far-token"
    path.write_text(service.token)
    return path
