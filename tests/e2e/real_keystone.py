"""A real Keystone as a process, with projects, users and roles for the tests.

Keystone comes from ``constraints-keystone.txt`` and keeps to a folder of its
own; :mod:`tests.e2e.keystone_server` runs it. It is talked to by REST with
keystoneauth1, as any administrator's program does.
"""

from __future__ import annotations

import secrets
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3

from iotronic_mec.sdk import Client
from tests import side_environment
from tests.e2e.cloud import HOST, Cloud, free_ports

START_LIMIT_S = 60.0
"""Seconds Keystone may take; it needs about eight on one idle processor."""

REGION = "RegionOne"
DOMAIN = {"user_domain_name": "Default", "project_domain_name": "Default"}
SERVER = Path(__file__).with_name("keystone_server.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user with a role in one project."""

    uuid: str
    name: str
    password: str
    project: str


@dataclass(slots=True)
class Keystone:
    """The process, and the administrator's view of it.

    :param folder: for everything
    """

    folder: Path
    port: int = field(default_factory=lambda: free_ports()[0])
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    _process: subprocess.Popen[str] | None = None
    _session: Any = None
    _service: Person | None = None
    _roles: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The authentication address, as clients are given it."""
        return f"http://{HOST}:{self.port}/v3"

    def start(self) -> None:
        """Start it, set up at the first time; return when it answers."""
        self.folder.mkdir(exist_ok=True)
        python = side_environment.executable("keystone", "python")
        log = self.folder / "process.log"
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [python, SERVER, self.folder, str(self.port), self.password],
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert self._process.stdout is not None
        line = _first_line(self._process, START_LIMIT_S)
        assert line == "ready", f"Keystone did not start: {log.read_text()[-2000:]}"

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def environment(self, person: Person | None = None) -> dict[str, str]:
        """Return the variables of password authentication; the administrator's for nobody."""
        name, password, project = ("admin", self.password, "admin")
        if person is not None:
            name, password, project = person.name, person.password, person.project
        return {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": name,
            "OS_PASSWORD": password,
            "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": REGION,
            "OS_IDENTITY_API_VERSION": "3",
        }

    def auth(self, person: Person | None = None, **scope: Any) -> v3.Password:
        """Return the password plugin of a person, the administrator for nobody.

        :param scope: instead of the person's project, for instance
            ``system_scope="all"`` or ``unscoped=True``
        """
        found = self.environment(person)
        named: dict[str, Any] = {"project_name": found["OS_PROJECT_NAME"], **DOMAIN}
        if scope:
            named = {"user_domain_name": "Default", **scope}
        return v3.Password(
            auth_url=self.url,
            username=found["OS_USERNAME"],
            password=found["OS_PASSWORD"],
            **named,
        )

    def token(self, person: Person | None = None, **scope: Any) -> str:
        """Return a fresh token."""
        made = session.Session(auth=self.auth(person, **scope))
        return str(made.get_token())

    def ask(self, method: str, path: str, **sends: Any) -> Any:
        """Make a call as administrator; return the JSON of the answer."""
        if self._session is None:
            self._session = session.Session(auth=self.auth())
        answer = self._session.request(
            f"{self.url}{path}", method, json=sends or None, headers={}, timeout=30
        )
        return answer.json() if answer.text else None

    def make_project(self, name: str) -> str:
        """Make a project; return its id."""
        made = self.ask("POST", "/projects", project={"name": name, "domain_id": "default"})
        return str(made["project"]["id"])

    def service(self) -> Person:
        """Return the user that clouds ask as, made at the first call."""
        if self._service is None:
            self.make_project("service")
            self._service = self.make_user("iotronic", "service", "service")
        return self._service

    def make_role(self, name: str) -> str:
        """Return the id of a role, made where there is none."""
        if name not in self._roles:
            found = self.ask("GET", f"/roles?name={name}")["roles"]
            made = found[0] if found else self.ask("POST", "/roles", role={"name": name})["role"]
            self._roles[name] = str(made["id"])
        return self._roles[name]

    def make_user(self, name: str, project: str, *roles: str) -> Person:
        """Make a user with roles in a project, named; return it."""
        password = secrets.token_urlsafe(16)
        user = {"name": name, "domain_id": "default", "password": password}
        uuid = str(self.ask("POST", "/users", user=user)["user"]["id"])
        where = self.ask("GET", f"/projects?name={project}")["projects"][0]["id"]
        for role in roles:
            self.ask("PUT", f"/projects/{where}/users/{uuid}/roles/{self.make_role(role)}")
        return Person(uuid=uuid, name=name, password=password, project=project)

    def make_endpoint(self, url: str) -> None:
        """Put the service of type ``iot`` into the catalogue, in place of another."""
        for old in self.ask("GET", "/services?type=iot")["services"]:
            self.ask("DELETE", f"/services/{old['id']}")
        service = self.ask("POST", "/services", service={"type": "iot", "name": "iotronic"})
        for interface in ("public", "internal"):
            endpoint = {
                "service_id": service["service"]["id"],
                "interface": interface,
                "region_id": REGION,
                "url": url,
            }
            self.ask("POST", "/endpoints", endpoint=endpoint)

    def configuration(self, service: Person, **options: Any) -> str:
        """Return the cloud's configuration file.

        :param service: the user the cloud asks Keystone as
        :param options: further options of ``[keystone_authtoken]``
        """
        lines = [
            "[api]",
            "auth_strategy = keystone",
            "[keystone_authtoken]",
            f"www_authenticate_uri = {self.url}",
            f"auth_url = {self.url}",
            "auth_type = password",
            f"username = {service.name}",
            f"password = {service.password}",
            f"project_name = {service.project}",
            "user_domain_name = Default",
            "project_domain_name = Default",
            *(f"{name} = {value}" for name, value in options.items()),
        ]
        return "\n".join(lines) + "\n"


class KeystoneCloud(Cloud):
    """``iotronic-mec standalone`` whose users are a Keystone's.

    :param folder: for everything
    :param options: of ``[keystone_authtoken]``
    """

    def __init__(self, folder: Path, keystone: Keystone, **options: Any) -> None:
        super().__init__(folder)
        self.keystone = keystone
        self._options = options

    @property
    def token(self) -> str:
        """A fresh token of Keystone's administrator."""
        return self.keystone.token()

    @property
    def client(self) -> Client:
        """A client of Keystone's administrator, by the catalogue."""
        return self.client_of(None)

    def upstream_credentials(self) -> list[str]:
        """Return the administrator's password options of upstream's client."""
        found = self.keystone.environment()
        options = {
            "--os-auth-url": found["OS_AUTH_URL"],
            "--os-username": found["OS_USERNAME"],
            "--os-password": found["OS_PASSWORD"],
            "--os-project-name": found["OS_PROJECT_NAME"],
            "--os-user-domain-name": "Default",
            "--os-project-domain-name": "Default",
            "--os-region-name": REGION,
        }
        return [word for option in options.items() for word in option]

    def client_of(self, person: Person | None, **options: Any) -> Client:
        """Return a client of a person, which finds the cloud in the catalogue."""
        made = session.Session(auth=self.keystone.auth(person))
        return Client(made, region_name=REGION, **options)

    def start(self) -> None:
        """Write the configuration, enter the catalogue, and start."""
        if not self.state_dir.exists():
            self.state_dir.mkdir(mode=0o700)
            service = self.keystone.service()
            file = self.state_dir / "iotronic.conf"
            file.write_text(self.keystone.configuration(service, **self._options))
            file.chmod(0o600)
        self.keystone.make_endpoint(self.url)
        super().start()


def _first_line(process: subprocess.Popen[str], limit_s: float) -> str:
    """Return the first line of a process that says ``ready``, or what it had to say."""
    assert process.stdout is not None
    timer = threading.Timer(limit_s, process.kill)
    timer.start()
    try:
        return process.stdout.readline().strip()
    finally:
        timer.cancel()
