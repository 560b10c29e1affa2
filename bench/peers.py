"""What is measured beside ours: other checkers of schemas, and the least that Python can do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import sites

Commands = list[list[str]]

SCHEMAS = sites.ROOT / "schemas"
IMPORTS: Commands = [[sys.executable, "-c", "import click, yaml, jsonschema_rs"]]
# Every byte of every file, and the JSON decoded: what no checker can do without.
READING = """
import json, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
        data = b"".join(iter(lambda: os.read(descriptor, 65536), b""))
        os.close(descriptor)
        if name.endswith(".json"):
            json.loads(data)
"""
# One archive an incident, of the evidence alone: ours holds schemas, protocol and report as well.
BY_HAND = """
for folder in "$1"/.artifacts/incidents/*/; do
  cd "$folder" && rm -f "$2/peer.zip"
  find . -type f ! -name SHA256SUMS -print0 | xargs -0 sha256sum > "$2/peer.sums"
  zip -q -r -X "$2/peer.zip" . -x INCIDENT-EVIDENCE-BUNDLE.zip
done
"""
UNZIP = 'rm -rf "$2" && unzip -q "$1" -d "$2" && cd "$2" && sha256sum -c --quiet SHA256SUMS'
VENV = """
made="$(mktemp -d "$4/venv-XXXXXX")" && "$1" -m venv "$made" && cd "$made" &&
bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$2" &&
bin/python "$3" "$5"
"""
# Runs the Action's own entry as a runner would, with nothing installed yet.
ACTION = 'RUNNER_TEMP="$(mktemp -d "$3/runner-XXXXXX")" exec "$1" -I -X utf8 "$2"'
SOURCEMETA = "@sourcemeta/jsonschema@16.11.0"
FEW = 1000  # files in one call: a command line ends somewhere


def in_venv(name: str) -> str:
    """A command that stands beside this Python."""
    return str(Path(sys.executable).with_name(name))


CHECK_JSONSCHEMA = in_venv("check-jsonschema")


def self_contained(folder: Path) -> Path:
    """The schemas with the shared definitions inside each: a peer would fetch them otherwise."""
    target = folder / "schemas"
    target.mkdir(exist_ok=True)
    shared = json.loads((SCHEMAS / "common.schema.json").read_text(encoding="utf-8"))["$defs"]
    for path in SCHEMAS.glob("*.schema.json"):
        text = path.read_text(encoding="utf-8").replace("common.schema.json#", "#")
        schema = json.loads(text)
        inside = json.loads(json.dumps(shared).replace("common.schema.json#", "#"))
        schema["$defs"] = {**inside, **schema.get("$defs", {})}
        (target / path.name).write_text(json.dumps(schema), encoding="utf-8")
    return target


def calls(site: Path, schemas: Path, *command: str) -> Commands:
    """A checker of shapes on every JSON file of a site, one call for each schema."""
    made = []
    for schema in sorted(schemas.glob("*.schema.json")):
        name = schema.name.removesuffix(".schema.json")
        found = sorted(map(str, site.glob(f"{sites.INCIDENTS}/*/{name}.json")))
        made += [
            [*command, str(schema), *found[start : start + FEW]]
            for start in range(0, len(found), FEW)
        ]
    return made


def native(folder: Path) -> dict[str, list[str]]:
    """The native checkers that can be had here, with how each wants to be called."""
    found = {}
    if Path(in_venv("jsonvet")).is_file():
        found["jsonvet"] = [in_venv("jsonvet"), "--no-config", "--schema"]
    binary = _sourcemeta(folder)
    if binary:
        found["sourcemeta"] = [str(binary), "validate", "--fast", "--format-assertion"]
    return found


def _sourcemeta(folder: Path) -> Path | None:
    """Its native binary out of the npm package: node would take longer than the work."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    install = [npm, "install", "--silent", "--prefix", str(folder), SOURCEMETA]
    if subprocess.run(install, check=False, capture_output=True).returncode != 0:
        return None
    return next(folder.glob("node_modules/@sourcemeta/**/jsonschema-linux-x86_64"), None)
