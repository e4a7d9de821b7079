"""The configuration of the JupyterHub that the tests start; ``hubs.py`` gives it $HUB_TEST."""

import json
import os
import sys

c = get_config()  # noqa: F821
test = json.loads(os.environ["HUB_TEST"])
folder = test["folder"]

c.JupyterHub.bind_url = test["url"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{test['hub_port']}"
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{folder}/cookie_secret"
c.ConfigurableHTTPProxy.command = test["proxy"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{test['proxy_port']}"
c.ConfigurableHTTPProxy.pid_file = f"{folder}/proxy.pid"
c.ConfigurableHTTPProxy.log_level = "warn"

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = test["password"]
c.Authenticator.allow_all = True
c.JupyterHub.load_groups = {"observatory-operators": {"users": ["boss"]}}
c.JupyterHub.allow_named_servers = True

# servers without system accounts; the plain Jupyter server starts in half the time of JupyterLab
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{folder}/home/{{username}}"
# the site's configuration, of the shared service and of users' own: what etc/jupyter of the environment is elsewhere
site = {"JUPYTER_CONFIG_PATH": f"{folder}/site"}
c.Spawner.environment = {
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
    "XDG_STATE_HOME": "",
    **site,
}
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions={'jupyter_uws': True}"]
c.Spawner.args += [f"--UWSExtension.archive={test['archive']}", "--UWSExtension.service_args=--workers=1"]
# Ctrl-C is not for them: they would ask whether it is meant
c.LocalProcessSpawner.interrupt_timeout = 0
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]


def of_shared_service(spawner):
    """The named server ``shared`` relays to the shared service, all others to one of their own."""
    if spawner.name == "shared":
        spawner.args = [*spawner.args, f"--UWSExtension.service_url={test['url']}services/uws/"]


c.Spawner.pre_spawn_hook = of_shared_service

c.JupyterHub.services = [
    {
        "name": "uws",
        "url": f"http://127.0.0.1:{test['service_port']}",
        "command": [
            *(sys.executable, "-m", "jupyter_uws", "serve", "--hub", "--workers=2"),
            *(f"--state-dir={folder}/state", f"--archive={test['archive']}"),
            *("--ServeApp.hub_admin_groups=observatory-operators", *test["options"]),
        ],
        "environment": site,
        "oauth_no_confirm": True,
    },
    {"name": "tester", "api_token": test["token"]},
    {"name": "stranger", "api_token": test["stranger"]},
]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=uws"]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", "access:services!service=uws"]},
    {
        "name": "tester",
        "services": ["tester"],
        "scopes": ["admin:users", "admin:servers", "tokens", "groups", "access:services", "read:services"],
    },
    {"name": "stranger", "services": ["stranger"], "scopes": ["access:services!service=uws"]},
]
