"""Takes Grafana's place: uses the files, password, volume and networks that it is given as Grafana does,
under the same addresses of its HTTP API, and draws nothing."""

import base64
import json
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

PROVISIONING = Path("/etc/grafana/provisioning")
LISTS = {"dashboards": "providers", "datasources": "datasources"}
PROXY = "/api/datasources/proxy/uid/"


def provisioned(kind: str) -> list[dict]:
    """What the files of one kind declare."""
    files = sorted((PROVISIONING / kind).glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load(file.read_text())[LISTS[kind]]]


def dashboards() -> dict[str, dict]:
    """Every dashboard in the folders of the providers, by its uid."""
    folders = [Path(provider["options"]["path"]) for provider in provisioned("dashboards")]
    read = [json.loads(file.read_text()) for folder in folders for file in folder.glob("*.json")]
    return {dashboard["uid"]: dashboard for dashboard in read}


def datasources() -> dict[str, dict]:
    """Every source of data, by its uid, which Grafana makes up where the file has none."""
    return {one.get("uid", f"P{number}"): one for number, one in enumerate(provisioned("datasources"))}


class Answering(BaseHTTPRequestHandler):
    """The few addresses that the tests ask for."""

    def do_GET(self) -> None:
        password = Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text()
        known = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        if self.path == "/api/health":
            self.tell(200, {"database": "ok"})
        elif self.headers.get("Authorization") != known:
            self.tell(401, {"message": "Unauthorized"})
        elif self.path == "/api/datasources":
            self.tell(200, [{"uid": uid, **one} for uid, one in datasources().items()])
        elif self.path.startswith("/api/dashboards/uid/"):
            self.tell(200, {"dashboard": dashboards()[self.path.rpartition("/")[2]]})
        elif self.path.startswith(PROXY):
            uid, _, path = self.path.removeprefix(PROXY).partition("/")
            self.pass_on(f"{datasources()[uid]['url']}/{path}")
        else:
            self.tell(404, {"message": "Not found"})

    def pass_on(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.tell(answer.status, json.load(answer))
        except urllib.error.URLError as error:
            self.tell(502, {"message": str(error)})

    def tell(self, status: int, facts: object) -> None:
        body = json.dumps(facts).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    Path("/var/lib/grafana/grafana.db").write_text("what it keeps")
    ThreadingHTTPServer(("", 3000), Answering).serve_forever()
