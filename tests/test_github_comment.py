"""The opt-in comment: one a pull request, edited, and whatever a run says is a stranger's text."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).resolve().parents[1] / ".github" / "workflows" / "comment.yml"
SHA = "a" * 40
HARNESS = """
const given = JSON.parse(process.argv[1]);
const calls = [];
const api = (name, data) => async (parameters) => {
  calls.push({ name, parameters });
  return { data };
};
const github = {
  paginate: async (method, parameters) => (await method(parameters)).data,
  rest: {
    pulls: { list: api('pulls.list', given.pulls) },
    actions: { listJobsForWorkflowRun: api('actions.listJobs', { jobs: [{ id: 5 }] }) },
    checks: { listAnnotations: api('checks.listAnnotations', given.annotations) },
    issues: {
      listComments: api('issues.listComments', given.comments),
      createComment: api('create', {}),
      updateComment: api('update', {}),
    },
  },
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


def calls(
    annotations: list[dict[str, Any]], comments: list[dict[str, Any]], **run: Any
) -> list[dict[str, Any]]:
    """What the script asks of GitHub, with the answers that it gets made up."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, which every runner of GitHub has")
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    fork = {"id": 9, "full_name": "you/service", "owner": {"login": "you"}}
    about = {"id": 3, "head_sha": SHA, "head_branch": "fix", "head_repository": fork}
    given = {
        "script": workflow["jobs"]["comment"]["steps"][0]["with"]["script"],
        "run": {**about, "conclusion": "failure", **run},
        "pulls": [{"number": 7, "head": {"sha": SHA, "repo": {"id": 9}}}],
        "annotations": annotations,
        "comments": comments,
    }
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
    return [call for call in made if call["name"] in ("create", "update")]


def test_it_writes_once_then_edits_then_leaves_alone() -> None:
    (first,) = written(calls([annotation("E-1 started early.")], []))
    assert (first["name"], first["parameters"]["issue_number"]) == ("create", 7)
    body = first["parameters"]["body"]
    assert "**Gate 2 Mitigation · MIT004** a/b.json, line 3: E-1 started early." in body.replace(
        "&#46;", "."
    )
    old = {"id": 1, "user": {"login": "github-actions[bot]"}, "body": body}
    (edited,) = written(calls([annotation("Another.")], [old]))
    assert (edited["name"], edited["parameters"]["comment_id"]) == ("update", 1)
    assert written(calls([annotation("E-1 started early.")], [old])) == []
    stranger = {**old, "user": {"login": "mallory"}}
    assert [c["name"] for c in written(calls([], [stranger]))] == ["create"]


def test_it_says_nothing_where_nothing_failed_and_nothing_was_said() -> None:
    assert written(calls([], [], conclusion="success")) == []


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
