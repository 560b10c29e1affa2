"""What an editor does with our schemas, asked of the server that VS Code itself is built on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from incident_gates import protocol, schema
from incident_gates.cli import main
from incident_gates.desk.setup import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
# The server of VS Code as it is today. Its older self, vscode-json-languageserver 1.3.4, does not
# validate by schemas of 2020-12 at all.
PACKAGE = "vscode-langservers-extracted@4.10.0"
SEVERITY = ".artifacts/incidents/INC-2026-0042/severity-assessment.json"
Found = dict[str, Any]


class Server:
    """The language server, spoken to as an editor speaks to it."""

    def __init__(self, program: Path, site: Path) -> None:
        self.site = site
        self.sent = 0
        self.asked_for: list[str] = []
        self.process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=site
        )
        # Schemas come from us, as an editor fetches them: nothing is looked up on the network.
        options = {"provideFormatter": False, "handledSchemaProtocols": ["file"]}
        able = {"textDocument": {"hover": {"contentFormat": ["plaintext"]}, "completion": {}}}
        root = site.as_uri()
        given = {"processId": None, "rootUri": root, "capabilities": able}
        self.ask("initialize", {**given, "initializationOptions": options})
        self.tell("initialized", {})

    def settings(self, settings: Found) -> None:
        """Hands the workspace's settings over; the editor turns associations into addresses."""
        associated = [
            {"fileMatch": e["fileMatch"], "url": e["url"]} for e in settings["json.schemas"]
        ]
        wanted = {"json": {"validate": {"enable": True}, "schemas": associated}}
        self.tell("workspace/didChangeConfiguration", {"settings": wanted})

    def open(self, path: str, text: str) -> str:
        uri = (self.site / path).as_uri()
        document = {"uri": uri, "languageId": "json", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def diagnostics(self, uri: str) -> list[Found]:
        while True:
            said = self._receive()
            about = said.get("params", {})
            if said.get("method") == "textDocument/publishDiagnostics" and about["uri"] == uri:
                found: list[Found] = about["diagnostics"]
                return found

    def at(self, method: str, uri: str, text: str, before: str) -> Any:
        """Asks about the place behind a piece of text."""
        offset = text.index(before) + len(before)
        line = text.count("\n", 0, offset)
        position = {"line": line, "character": offset - text.rfind("\n", 0, offset) - 1}
        return self.ask(method, {"textDocument": {"uri": uri}, "position": position})

    def ask(self, method: str, parameters: Found) -> Any:
        self.sent += 1
        self._send({"id": self.sent, "method": method, "params": parameters})
        while True:
            said = self._receive()
            if said.get("id") == self.sent and "method" not in said:
                assert "error" not in said, said
                return said["result"]

    def tell(self, method: str, parameters: Found) -> None:
        self._send({"method": method, "params": parameters})

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _send(self, message: Found) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def _receive(self) -> Found:
        assert self.process.stdout
        length = 0
        while (line := self.process.stdout.readline().strip()) or not length:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            assert line or self.process.poll() is None, "the server ended"
        said: Found = json.loads(self.process.stdout.read(length))
        if said.get("method") == "vscode/content":
            self._send({"id": said["id"], "result": self._schema(said["params"])})
        elif "method" in said and "id" in said:
            self._send({"id": said["id"], "result": None})
        return said

    def _schema(self, asked: Any) -> str:
        address = str(asked if isinstance(asked, str) else asked[0])
        self.asked_for.append(address)
        assert address.startswith(schema.BASE), address
        return (ROOT / "schemas" / address.removeprefix(schema.BASE)).read_text("utf-8")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None or os.name == "nt":
        if os.environ.get("CI") and os.name != "nt":
            pytest.fail(f"CI needs npm to fetch {PACKAGE}")
        pytest.skip(f"npm, which brings {PACKAGE}, is not installed")
    folder = tmp_path_factory.mktemp("editor")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder / "node_modules" / ".bin" / "vscode-json-language-server"


@pytest.fixture
def server(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An editor in a repository that ``init`` set up."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["init", "--yes", "--only", "editor"]).exit_code == 0
    settings = json.loads((tmp_path / ".vscode/settings.json").read_text("utf-8"))
    running = Server(program, tmp_path)
    running.settings(settings)
    yield running
    running.stop()


def example(path: str = SEVERITY) -> str:
    text = (EXAMPLES / "complete" / path).read_text("utf-8")
    # The association alone brings the schema: a file that names its own would prove nothing.
    lines = [line for line in text.splitlines(keepends=True) if '"$schema"' not in line]
    return "".join(lines)


def test_a_record_in_order_has_nothing_underlined(server: Server) -> None:
    assert server.diagnostics(server.open(SEVERITY, example())) == []
    assert f"{schema.BASE}severity-assessment.schema.json" in server.asked_for


def test_a_wrong_value_is_underlined_at_its_line(server: Server) -> None:
    text = example().replace('"customer_impact": ', '"customer_impact": 7, "x-was": ', 1)
    (found,) = server.diagnostics(server.open(SEVERITY, text))
    line = text.splitlines()[found["range"]["start"]["line"]]
    assert '"customer_impact": 7' in line
    start, end = (found["range"][side]["character"] for side in ("start", "end"))
    assert line[start:end] == "7"


def test_hovering_explains_each_field_in_its_own_words(server: Server) -> None:
    """Also where it refers to a shared definition: what a time is does not say which one it is."""
    text = example()
    uri = server.open(SEVERITY, text)
    fields = schema.load("severity-assessment")["properties"]
    for field in json.loads(text):
        told = server.at("textDocument/hover", uri, text, f'\n  "{field}')
        shown = json.dumps(told["contents"], ensure_ascii=False)
        assert fields[field]["description"].split(".")[0] in shown, field


def test_completion_offers_the_fields_that_are_missing(server: Server) -> None:
    text = '{\n  "incident_id": "INC-2026-0042",\n  \n}\n'
    uri = server.open(SEVERITY, text)
    offered = server.at("textDocument/completion", uri, text, '"INC-2026-0042",\n  ')
    labels = {item["label"] for item in offered["items"]}
    assert {"declared_at", "classifications"} <= labels


def test_completion_offers_the_values_of_a_field(server: Server) -> None:
    path = SEVERITY.replace("severity-assessment", "resolution-summary")
    text = '{\n  "status": \n}\n'
    uri = server.open(path, text)
    offered = server.at("textDocument/completion", uri, text, '"status": ')
    labels = {item["label"].strip('"') for item in offered["items"]}
    assert {"investigating", "monitoring", "resolved", "closed"} <= labels


@pytest.mark.parametrize(
    "name",
    sorted(
        p.name for p in (EXAMPLES / "complete/.artifacts/incidents/INC-2026-0042").glob("*.json")
    ),
)
def test_every_file_of_an_example_is_understood(server: Server, name: str) -> None:
    path = f"{SEVERITY.rpartition('/')[0]}/{name}"
    assert server.diagnostics(server.open(path, example(path))) == []
    stem = name.removesuffix(".json")
    assert f"{schema.BASE}{stem}.schema.json" in server.asked_for


# --- the catalogue -------------------------------------------------------------------------------


def test_every_file_with_a_schema_is_in_the_catalogue() -> None:
    listed = {
        pattern.rsplit("/", 1)[-1] for entry in catalog.entries() for pattern in entry.patterns
    }
    known = {f for f in protocol.load().artifacts if schema.known(f.rsplit(".", 1)[0])}
    assert known | {".incident-gates.yaml"} <= listed


def test_nothing_else_is_in_the_catalogue() -> None:
    """A schema of what we print would underline an attachment of the same name."""
    files = {*protocol.load().artifacts, "evidence-manifest.json", ".incident-gates.yaml"}
    for entry in catalog.entries():
        assert {pattern.rsplit("/", 1)[-1] for pattern in entry.patterns} <= files, entry


def test_every_address_is_a_schema_of_ours() -> None:
    for entry in catalog.entries():
        name = entry.url.removeprefix(schema.BASE).removesuffix(".schema.json")
        assert schema.load(name)["$id"] == entry.url


def test_the_catalogue_has_the_form_that_schemastore_asks_for() -> None:
    listed = json.loads((ROOT / "schemas" / catalog.NAME).read_text("utf-8"))
    assert (set(listed), listed["version"]) == ({"$schema", "version", "schemas"}, 1)
    names = [entry["name"] for entry in listed["schemas"]]
    assert len(set(names)) == len(names) > 10
    for entry in listed["schemas"]:
        assert set(entry) == {"name", "description", "fileMatch", "url"}
        assert "schema" not in entry["name"].casefold()  # SchemaStore refuses the word
        assert entry["description"].endswith(".")
        assert len(set(entry["fileMatch"])) == len(entry["fileMatch"])
