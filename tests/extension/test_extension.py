"""Who may pass: Jupyter's own identity, XSRF, authorization, owner and root; and what the extension costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from jupyters import BASE_URL, STANDIN, TOKEN, Jupyter, kill_service, run_jupyter
from traitlets import TraitError

from jupyter_uws import rendezvous
from jupyter_uws.extension import UWSExtension

AUTHORIZER = """
from jupyter_server.auth import Authorizer

class ReadOnly(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "jupyter_uws" or action == "read"
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A Jupyter server of a Hub, behind a TLS proxy, that lets its user read only."""
    folder = tmp_path_factory.mktemp("strict")
    state = rendezvous.state_dir(folder / "state")
    (folder / "readonly.py").write_text(AUTHORIZER)
    environment = {"JUPYTERHUB_USER": "jürgen@site", "PYTHONPATH": str(folder)}
    server = {"authorizer_class": "readonly.ReadOnly", "allow_unauthenticated_access": False, "trust_xheaders": True}
    try:
        with run_jupyter(folder, state, environment, server, service_command=STANDIN) as jupyter:
            yield jupyter
    finally:
        kill_service(state)
        rendezvous.socket_path(state).unlink(missing_ok=True)


@pytest.fixture
def browser(jupyter: Jupyter) -> requests.Session:
    """A session with Jupyter's login cookie, and no token."""
    session = requests.Session()
    session.get(jupyter.url + "login", timeout=10)
    response = session.post(
        jupyter.url + "login", {"password": TOKEN, "_xsrf": session.cookies["_xsrf"]}, timeout=10, allow_redirects=False
    )
    assert response.status_code == 302
    return session


# Anonymous: 401 and a challenge, a login page for browsers only


@pytest.mark.parametrize("server", ["jupyter", "strict"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}, {"Authorization": "Bearer wrong"}])
def test_anonymous_is_challenged(
    request: pytest.FixtureRequest, server: str, method: str, headers: dict[str, str]
) -> None:
    jupyter: Jupyter = request.getfixturevalue(server)
    url = jupyter.url + "jupyter-uws/uws/sleeper"
    response = requests.request(method, url, headers=headers, allow_redirects=False, timeout=10)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="jupyter_uws", Basic realm="jupyter_uws"'
    assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert response.headers["Connection"] == "close"
    if method != "HEAD":
        assert response.text == "Log in, or send Jupyter's token as 'Authorization: token ...'\n"


@pytest.mark.parametrize("server", ["jupyter", "strict"])
def test_anonymous_browser_is_sent_to_the_login_page(request: pytest.FixtureRequest, server: str) -> None:
    jupyter: Jupyter = request.getfixturevalue(server)
    url = jupyter.url + "jupyter-uws/uws?LAST=1"
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    response = requests.get(url, headers=headers, allow_redirects=False, timeout=10)
    assert response.status_code == 302
    assert response.headers["Location"].startswith(BASE_URL + "login?next=%2Fa%2540b%2Fjupyter-uws%2Fuws%3FLAST%3D1")


@pytest.mark.parametrize("headers", [{"Authorization": f"token {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}"}, {}])
def test_token_opens_all_methods(jupyter: Jupyter, headers: dict[str, str]) -> None:
    url = jupyter.url + "jupyter-uws/echo" + ("" if headers else f"?token={TOKEN}")
    for method in ("GET", "POST", "DELETE"):
        response = requests.request(method, url, headers={**headers, "Origin": "http://elsewhere"}, timeout=10)
        assert response.status_code == 200
        assert "elsewhere" not in response.text
        assert response.json()["uri"] == "/echo"


# Cookies need XSRF


def test_cookie_reads(jupyter: Jupyter, browser: requests.Session) -> None:
    response = browser.get(jupyter.url + "jupyter-uws/echo", timeout=10)
    assert response.status_code == 200
    assert "Cookie" not in response.json()["headers"]


def test_cookie_writes_need_xsrf(jupyter: Jupyter, browser: requests.Session) -> None:
    url = jupyter.url + "jupyter-uws/echo"
    refused = browser.post(url, {"a": "b"}, timeout=10)
    assert refused.status_code == 403
    assert "_xsrf" in refused.text
    token = browser.cookies["_xsrf"]
    by_header = browser.post(url, {"a": "b"}, headers={"X-XSRFToken": token}, timeout=10)
    assert by_header.status_code == 200
    by_query = browser.post(url, {"a": "b"}, params={"_xsrf": token}, timeout=10)
    assert (by_query.status_code, by_query.json()["uri"]) == (200, "/echo")


def test_cookie_writes_from_elsewhere_are_refused(jupyter: Jupyter, browser: requests.Session) -> None:
    headers = {"X-XSRFToken": browser.cookies["_xsrf"], "Origin": "http://elsewhere"}
    response = browser.post(jupyter.url + "jupyter-uws/echo", headers=headers, timeout=10)
    assert response.status_code in (403, 404)


def test_foreign_host_is_refused(jupyter: Jupyter) -> None:
    assert jupyter("GET", "echo", headers={"Host": "evil.example"}).status_code == 403


# What sites configure


def test_authorizer_is_asked_before_the_body_is_taken(strict: Jupyter) -> None:
    assert strict("GET", "echo").status_code == 200
    response = strict("POST", "upload", data=b"x")
    assert (response.status_code, response.text) == (403, "You may not write jupyter_uws\n")
    assert strict("GET", "echo").status_code == 200  # nothing of the verb sticks


def test_owner_is_the_hubs_user_and_root_the_proxys_scheme(strict: Jupyter) -> None:
    headers = strict("GET", "echo", headers={"X-Forwarded-Proto": "https"}).json()["headers"]
    assert headers["X-Uws-Owner"] == "j%C3%BCrgen@site"
    assert headers["X-Uws-Root"] == strict.url.replace("http:", "https:") + "jupyter-uws/"


def test_jupyter_finds_no_open_endpoint(strict: Jupyter) -> None:
    assert "RelayHandler" not in strict.log.read_text()


def test_bad_state_folder_is_said_at_the_request(strict: Jupyter) -> None:
    strict.state_dir.chmod(0o755)
    response = strict("GET", "health")
    strict.state_dir.chmod(0o700)
    assert response.status_code == 503
    assert response.text == f"{strict.state_dir} is open to others (mode 0755): chmod 700 {strict.state_dir}\n"


def test_five_first_requests_at_two_servers_start_one_service(tmp_path: Path) -> None:
    state = rendezvous.state_dir(tmp_path / "state")
    try:
        with (
            run_jupyter(tmp_path / "one", state, service_command=STANDIN) as one,
            run_jupyter(tmp_path / "two", state, service_command=STANDIN) as two,
            ThreadPoolExecutor(10) as pool,
        ):
            answers = list(pool.map(lambda server: requests_get(server), [one, two] * 5))
            assert {answer.status_code for answer in answers} == {200}
            pids = {answer.json()["pid"] for answer in answers}
            one.process.kill()
            assert two("GET", "health").json()["pid"] in pids
            assert len(pids) == 1
    finally:
        kill_service(state)


def requests_get(server: Jupyter) -> requests.Response:
    headers = {"Authorization": f"token {TOKEN}"}
    return requests.get(server.url + "jupyter-uws/health", headers=headers, timeout=30)


# What it costs


def test_the_extension_is_light() -> None:
    """It imports nothing that only the service or the kernel needs."""
    code = """
import json, sys, psutil
import jupyter_server.serverapp
before = set(sys.modules), psutil.Process().memory_info().rss
from jupyter_uws import _jupyter_server_extension_points
_jupyter_server_extension_points()
roots = {name.partition(".")[0] for name in set(sys.modules) - before[0]}
print(json.dumps([sorted(roots), sorted(n for n in sys.modules if n.startswith("jupyter_uws")),
                  (psutil.Process().memory_info().rss - before[1]) / 1e6]))
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    roots, ours, megabytes = json.loads(output)
    heavy = {"dask", "distributed", "duckdb", "sqlalchemy", "pyvo", "astropy", "numpy", "pyarrow", "pydantic"}
    assert not heavy & set(roots)
    assert ours == [
        "jupyter_uws",
        "jupyter_uws._version",
        "jupyter_uws.credentials",
        "jupyter_uws.extension",
        "jupyter_uws.launcher",
        "jupyter_uws.relay",
        "jupyter_uws.relay_socket",
        "jupyter_uws.rendezvous",
        "jupyter_uws.shared_service",
    ]
    assert megabytes < 5


# Hosts that browsers are sent to


@pytest.mark.parametrize("name", ["aladin_url", "aladin_survey"])
@pytest.mark.parametrize(
    "url", ["aladin.js", "ftp://a.org/x", "https://a:b@a.org/x", "https://a.org;b/x", "https://a.org/x y"]
)
def test_addresses_of_survey_images_that_cannot_be_are_refused(name: str, url: str) -> None:
    with pytest.raises(
        TraitError, match=rf"UWSExtension\.{name}: '.*' is no http or https address such as https://host/path"
    ):
        UWSExtension(**{name: url})


def test_addresses_of_survey_images() -> None:
    assert UWSExtension().aladin_url == ""
    url = "https://esm.example.org:8443/aladin-lite@3.8.2/dist/aladin.js"
    extension = UWSExtension(aladin_url=url, aladin_survey="http://127.0.0.1/hips/")
    assert [extension.aladin_url, extension.aladin_survey] == [url, "http://127.0.0.1/hips"]
    with pytest.raises(TraitError, match="aladin_survey: ''"):
        UWSExtension(aladin_survey="")
