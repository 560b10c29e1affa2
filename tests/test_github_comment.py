"""The opt-in comment: one a pull request, edited, and whatever a run says is a stranger's text.

Its calls are held against GitHub's own description of its API, @octokit/openapi.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import npm_package
import pytest
import webhooks
import yaml
from jsonschema import Draft202012Validator

from incident_gates import run

WORKFLOW = Path(__file__).resolve().parents[1] / ".github" / "workflows" / "comment.yml"
SHA = "a" * 40
HARNESS = """
const given = JSON.parse(process.argv[1]);
const calls = [];
// Every method of every part of the API: recorded, and answered with what was made up for it.
const part = (namespace) => new Proxy({}, { get: (_, method) => async (parameters) => {
  calls.push({ name: `${namespace}.${method}`, parameters });
  return { data: given.answers[`${namespace}.${method}`] ?? {} };
} });
const github = {
  paginate: async (method, parameters) => (await method(parameters)).data,
  rest: new Proxy({}, { get: (_, namespace) => part(namespace) }),
};
const context = {
  repo: { owner: 'octo', repo: 'service' },
  payload: { workflow_run: given.run },
};
const core = { info: () => {} };
const Async = Object.getPrototypeOf(async () => {}).constructor;
new Async('github', 'context', 'core', given.script)(github, context, core)
  .then(() => console.log(JSON.stringify(calls)));
"""


WRITES = ("issues.createComment", "issues.updateComment")


def calls(
    annotations: list[dict[str, Any]], comments: list[dict[str, Any]], **run: Any
) -> list[dict[str, Any]]:
    """What the script asks of GitHub, with the answers that it gets made up."""
    fork = {"id": 9, "full_name": "you/service", "owner": {"login": "you"}}
    about = {"id": 3, "head_sha": SHA, "head_branch": "fix", "head_repository": fork}
    answers = {
        "pulls.list": [{"number": 7, "head": {"sha": SHA, "repo": {"id": 9}}}],
        "actions.listJobsForWorkflowRun": {"jobs": [{"id": 5}]},
        "checks.listAnnotations": annotations,
        "issues.listComments": comments,
    }
    return ran({**about, "conclusion": "failure", **run}, answers)


def ran(run: dict[str, Any], answers: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls that the script makes about a run, given an answer to each."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, which every runner of GitHub has")
    script = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["comment"]["steps"][0]["with"]
    given = {"script": script["script"], "run": run, "answers": answers}
    done = subprocess.run(
        [node, "-e", HARNESS, json.dumps(given)], capture_output=True, check=True, text=True
    )
    made: list[dict[str, Any]] = json.loads(done.stdout)
    return made


def annotation(message: str, title: str = "Gate 2 Mitigation · MIT004") -> dict[str, Any]:
    return {
        "title": title,
        "message": message,
        "path": "a/b.json",
        "start_line": 3,
        "annotation_level": "failure",
    }


def written(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call for call in made if call["name"] in WRITES]


def test_it_writes_once_then_edits_then_leaves_alone() -> None:
    (first,) = written(calls([annotation("E-1 started early.")], []))
    assert (first["name"], first["parameters"]["issue_number"]) == (WRITES[0], 7)
    body = first["parameters"]["body"]
    assert "**Gate 2 Mitigation · MIT004** a/b.json, line 3: E-1 started early." in body.replace(
        "&#46;", "."
    )
    old = {"id": 1, "user": {"login": "github-actions[bot]"}, "body": body}
    (edited,) = written(calls([annotation("Another.")], [old]))
    assert (edited["name"], edited["parameters"]["comment_id"]) == (WRITES[1], 1)
    assert written(calls([annotation("E-1 started early.")], [old])) == []
    stranger = {**old, "user": {"login": "mallory"}}
    assert [c["name"] for c in written(calls([], [stranger]))] == [WRITES[0]]


def test_it_says_nothing_where_nothing_failed_and_nothing_was_said() -> None:
    assert written(calls([], [], conclusion="success")) == []


def test_what_any_rule_says_is_repeated() -> None:
    """One rule of each kind, those about the change itself included."""
    kinds = {rule[:3]: rule for rule in run.rule_texts()}
    (made,) = written(calls([annotation("x", title=rule) for rule in kinds.values()], []))
    for rule in kinds.values():
        assert f"**{rule}**" in made["parameters"]["body"]


def test_a_pull_request_at_another_commit_gets_no_comment() -> None:
    made = calls([annotation("x")], [], head_sha="b" * 40)
    assert [call["name"] for call in made] == ["pulls.list"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=x onerror=1> <!-- incident-gates -->",
        "@octocat fixes #1, GH-2 https://evil.example www.evil.example",
        "[click](javascript:1) ![x](y) `code` **bold** | table",
        "a\n\n# Heading\n- item\r\u2028\u202e",
    ],
)
def test_whatever_a_run_says_is_plain_text(hostile: str) -> None:
    (made,) = written(calls([annotation(hostile), annotation("x", title=f"{hostile} MIT004")], []))
    shown = made["parameters"]["body"].splitlines()
    rows = [line.replace("**", "", 2)[2:] for line in shown if line.startswith("- **")]
    assert len(shown) == len(rows) + 5
    for row in rows:
        for character in "<>@#[]!`*|\u2028\u202e\\_~":
            assert character not in row.replace("&#", "")
        assert "//" not in row
        assert "www." not in row


def test_its_rights_are_as_small_as_its_task() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert workflow["permissions"] == {}
    job = workflow["jobs"]["comment"]
    assert job["permissions"] == {
        "actions": "read",
        "checks": "read",
        "pull-requests": "write",
    }
    assert [step["uses"].partition("@")[0] for step in job["steps"]] == ["actions/github-script"]
    assert "${{" not in job["steps"][0]["with"]["script"]


# --- held against GitHub's own description -------------------------------------------------------

OPENAPI = "@octokit/openapi@23.0.2"
# For comments, GitHub takes the right to issues or, on a pull request, that to pull requests.
RIGHTS = {
    "actions": "actions",
    "checks": "checks",
    "issues": "pull-requests",
    "pulls": "pull-requests",
}
ROUTES = {
    "pulls.list": "GET /repos/{owner}/{repo}/pulls",
    "actions.listJobsForWorkflowRun": "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "checks.listAnnotations": "GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations",
    "issues.listComments": "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "issues.createComment": "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "issues.updateComment": "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
}


class Api:
    """The parts of the description that the script needs."""

    def __init__(self) -> None:
        name = "generated/api.github.com.json"
        self.described = json.loads(npm_package.member(OPENAPI, name))

    def found(self, node: Any) -> Any:
        """A part of the description, or what it refers to."""
        if "$ref" in node:
            parts = node["$ref"].split("/")[1:]
            node = self.described
            for part in parts:
                node = node[part]
        return node

    def operation(self, name: str) -> Operation:
        """The operation that a method of octokit stands for: it is named after it."""
        namespace, method = name.split(".")
        wanted = f"{namespace}/{re.sub('[A-Z]', lambda m: f'-{m[0].lower()}', method)}"
        found = [
            Operation(verb, path, entry)
            for path, item in self.described["paths"].items()
            for verb, entry in item.items()
            if entry["operationId"] == wanted
        ]
        assert len(found) == 1, wanted
        return found[0]

    def answer(self, name: str) -> Any:
        """GitHub's own example of what comes back."""
        (content,) = self.operation(name).entry["responses"]["200"]["content"].values()
        return json.loads(json.dumps(self.found(content["examples"]["default"])["value"]))


class Operation(NamedTuple):
    """What can be asked of GitHub."""

    verb: str
    path: str
    entry: dict[str, Any]


def hold(api: Api, call: dict[str, Any]) -> str:
    """Asserts that a call is as described; returns the right that it needs."""
    verb, path, entry = api.operation(call["name"])
    assert f"{verb.upper()} {path}" == ROUTES[call["name"]]
    assert "deprecated" not in entry
    body = dict(call["parameters"])
    for parameter in map(api.found, entry["parameters"]):
        name = parameter["name"]
        assert name in body or not parameter.get("required"), (call["name"], name)
        if name in body:
            fits(api, body.pop(name), parameter)
    assert set(re.findall(r"{(\w+)}", path)) <= set(call["parameters"])
    if verb == "get":
        assert body == {}, "a parameter that GitHub does not know"
    else:
        sent = entry["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**api.found(sent), "additionalProperties": False}).validate(body)
    level = "read" if verb == "get" else "write"
    return f"{RIGHTS[entry['x-github']['category']]}: {level}"


def fits(api: Api, value: Any, parameter: dict[str, Any]) -> None:
    """Asserts that a value is one that a parameter takes, its most said in words alone."""
    Draft202012Validator(api.found(parameter["schema"])).validate(value)
    most = re.search(r"\(max (\d+)\)", parameter.get("description", ""))
    assert most is None or value <= int(most[1])


def test_its_calls_and_rights_are_those_that_github_describes() -> None:
    api = Api()
    run = webhooks.examples("workflow_run", "completed")[1]["workflow_run"]
    answers = {name: api.answer(name) for name, route in ROUTES.items() if route.startswith("GET")}
    head = answers["pulls.list"][0]["head"]
    head["sha"], head["repo"]["id"] = run["head_sha"], run["head_repository"]["id"]
    answers["checks.listAnnotations"][0]["title"] = "Gate 2 Mitigation · MIT004"
    first = ran(run, answers)
    body = first[-1]["parameters"]["body"]
    assert body.startswith(
        "<!-- incident-gates -->\n**Incident Gates**: nothing that is due failed"
    )
    assert "README.md, line 2: Check your spelling" in body
    own = answers["issues.listComments"][0]
    own |= {"user": {**own["user"], "login": "github-actions[bot]"}, "body": f"{body} before"}
    made = [*first, ran(run, answers)[-1]]
    assert [call["name"] for call in made] == list(ROUTES)
    needed = {hold(api, call) for call in made}
    named = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["comment"]["permissions"]
    given = {f"{name}: {level}" for name, level in named.items()}
    assert needed - given <= {"pull-requests: read"}  # whoever may write may read
    assert given <= needed
    rights = api.found({"$ref": "#/components/schemas/app-permissions"})["properties"]
    for name, level in named.items():
        assert level in rights[name.replace("-", "_")]["enum"]
    assert "comments" in rights["pull_requests"]["description"]
