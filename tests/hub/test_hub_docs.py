"""docs/operators/hub.md: its configuration is one that JupyterHub takes, and that says what it means."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.app import JupyterHub
from traitlets.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "operators" / "hub.md"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Config:
    found = re.search(r"```python\n(import os, sys.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    config = Config()
    names: dict[str, Any] = {"get_config": lambda: config}
    with contextlib.chdir(tmp_path_factory.mktemp("docs")):
        exec(found.group(1), names)  # noqa: S102 (our own page)
    return config


def test_every_setting_is_one_of_jupyterhubs(configuration: Config) -> None:
    hub = JupyterHub(config=configuration)
    known = {kind.__name__: kind for kind in (JupyterHub, *hub.classes)}
    known["DummyAuthenticator"] = hub.authenticator_class
    for section, settings in configuration.items():
        for name in settings:
            assert name in known[section].class_trait_names(config=True), f"{section}.{name}"
    assert hub.spawner_class.__name__ == "SimpleLocalProcessSpawner"


def test_the_services_command_is_one_that_we_take(configuration: Config) -> None:
    (service,) = configuration.JupyterHub.services
    command = service["command"]
    assert command[0] == sys.executable
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # all options are known; what the Hub would tell is not there
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("jupyter uws serve: --hub needs what JupyterHub tells its services"), done.stderr
    scopes = {role["name"]: role["scopes"] for role in configuration.JupyterHub.load_roles}
    assert all(f"access:services!service={service['name']}" in scopes[role] for role in ("user", "server"))
    assert configuration.Spawner.args == [
        f"--UWSExtension.service_url={configuration.JupyterHub.bind_url}services/{service['name']}/"
    ]
