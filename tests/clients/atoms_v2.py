"""Drives the unmodified smallestai package (v2: branches and revisions) against a controller on loopback.

Prints one JSON object with what the calls came to; any call that fails ends the program.
"""

import json
import os

from smallestai import SmallestAI
from smallestai.atoms.helpers import Versioning
from smallestai.atoms.helpers.versioning import BaseRevisionUnavailableError, DraftConflictError
from smallestai.core.api_error import ApiError
from smallestai.environment import SmallestAIEnvironment

BASE = os.environ["BASE"]
ONCE = {"max_retries": 0}

client = SmallestAI(
    api_key=os.environ["KEY"],
    environment=SmallestAIEnvironment(
        atoms=BASE + "/atoms/v1", waves=BASE, waves_ws=BASE.replace("http", "ws"), payment=BASE
    ),
)
branches, revisions = client.atoms.agent_versioning_branches, client.atoms.agent_versioning_revisions
versioning = Versioning(client)
out = {}


def refused(call, **kwargs):
    """The status and body of a call that must be refused."""
    try:
        call(**kwargs, request_options=ONCE)
    except ApiError as error:
        body = error.body if isinstance(error.body, dict) else json.loads(error.body.json(by_alias=True))
        return [error.status_code, type(error).__name__, body]
    raise SystemExit(f"{call} was not refused: {kwargs}")


agent = client.atoms.agents.create_agent(
    name="Python",
    global_prompt="You are Ada.",
    slm_model="gpt-4.1",
    language={"default": "en", "supported": ["en"]},
    request_options={"additional_body_parameters": {"futureKey": {"deep": [1, "x"]}}},
).data
out["agent"] = agent
shown = client.atoms.agents.get_agent(id=agent).data
out["created"] = [shown.name, shown.global_prompt, shown.slm_model, shown.language.default, shown.futureKey, shown.archived]
first = shown.active_version_id
client.atoms.agents.update_agent(id=agent, name="Python agent", description="Driven by a test")
out["renamed"] = client.atoms.agents.get_agent(id=agent).data.name
page = client.atoms.agents.list_agents(page=1, offset=10).data
out["listed"] = sorted(item.name for item in page.agents)

[main] = branches.list(id=agent).data.branches
out["main"] = [main.branch.name, main.branch.is_default, main.is_live, main.has_open_draft, main.revisions_count]
main = main.branch.id
out["no_draft"] = refused(branches.get_draft, id=agent, branch_id=main)[:2]

draft = branches.update_draft(id=agent, branch_id=main, first_message="Hi!", synthesizer={"voiceConfig": {"voiceId": "emily"}}).data
branches.update_draft(id=agent, branch_id=main, first_message="Hello!", expected_revision=draft.draft_revision)
open_draft = branches.get_draft(id=agent, branch_id=main).data
out["draft"] = [draft.draft_revision, open_draft.edit_count, open_draft.edit_history[0].changed_sections]
diff = revisions.diff(id=agent, a=first, b=f"{main}:draft").data
out["diff"] = sorted(item.section for item in diff.diffs)
try:
    versioning.update_draft(agent, main, first_message="Hey!", expected_revision=1, request_options=ONCE)
except DraftConflictError as conflict:
    out["conflict"] = [conflict.expected_revision, conflict.latest_revision, conflict.diffs[0]["changes"][0]["newValue"]]
try:
    versioning.update_draft(agent, main, first_message="Hey!", expected_revision=99, request_options=ONCE)
except BaseRevisionUnavailableError:
    out["base"] = True

published = branches.publish_draft(id=agent, branch_id=main, label="Second").data
out["published"] = [published.state, published.revision.revision_number, published.revision.label, published.revision.is_active]
out["cancelled"] = branches.cancel_publish(id=agent, branch_id=main).data.cancelled
revision = versioning.edit_and_publish(agent, main, label="Third", global_prompt="You are Bob.", first_message="Yes?")
out["third"] = [revision.status, revision.revision_number, revision.blocks.llm is not None]
listed = revisions.list(id=agent, branch_id=main, limit=10).data
out["revisions"] = [listed.total, [item.label for item in listed.revisions]]
got = revisions.get(id=agent, branch_id=main, revision_id=revision.id).data
out["resolved"] = got.resolved_config["globalPrompt"]
out["trail"] = len(revisions.get_history(id=agent, branch_id=main, revision_id=revision.id).data.trail)

feature = branches.create_branch(id=agent, source_branch_id=main, name="feature x").data
branches.update_draft(id=agent, branch_id=feature.id, global_prompt="You are Eve.")
own = versioning.publish_and_wait(agent, feature.id)
live = branches.make_live(id=agent, branch_id=feature.id).data
out["feature"] = [own.is_active, own.revision_number, live.is_live, branches.get(id=agent, branch_id=main).data.is_live]
out["live_prompt"] = client.atoms.agents.get_agent(id=agent).data.global_prompt
out["archive_live"] = refused(branches.archive, id=agent, branch_id=feature.id)[:2]
out["renamed_branch"] = branches.rename(id=agent, branch_id=feature.id, name="feature y").data.name
branches.make_live(id=agent, branch_id=main)
branches.update_draft(id=agent, branch_id=feature.id, global_prompt="Nobody.")
out["discarded"] = branches.discard_draft(id=agent, branch_id=feature.id).data.discarded
out["archived"] = branches.archive(id=agent, branch_id=feature.id).data.archived
restored = revisions.restore(id=agent, branch_id=main, revision_id=first).data
out["restored"] = [restored.state, restored.revision.revision_number, restored.revision.restored_from_revision_id == first]
out["reserved"] = refused(branches.create_branch, id=agent, source_branch_id=main, name="Main")[:2]
out["test_call"] = refused(branches.test_call, id=agent, branch_id=main, mode="webcall")[:2]
out["unknown_agent"] = refused(client.atoms.agents.get_agent, id="0123456789abcdef01234567")
out["unknown_branch"] = refused(branches.get, id=agent, branch_id="0123456789abcdef01234567")[:2]
client.atoms.agents.archive_agent(id=agent)
out["after_archive"] = [item.name for item in client.atoms.agents.list_agents().data.agents]
client.atoms.agents.archive_agent(id=agent, on=False)
copy = client.atoms.agents.duplicate_agent(id=agent, target_organization_id="x").data
out["copy"] = client.atoms.agents.get_agent(id=copy.id).data.name

# How docs/atoms.md says that a team comes over.
config = client.atoms.agents.get_agent(id=agent).data.dict(by_alias=True, exclude_none=True)
moved = client.atoms.agents.create_agent(name="Moved", request_options={"additional_body_parameters": {**config, "name": "Moved"}}).data
there = client.atoms.agents.get_agent(id=moved).data
out["moved"] = [there.name, there.global_prompt, there.slm_model, there.futureKey]

details = client.atoms.account.get_account_details()
out["account"] = details is not None

wrong = SmallestAI(api_key="wrong", environment=client._client_wrapper._environment)
out["wrong_key"] = refused(wrong.atoms.agents.list_agents)[:2]
print(json.dumps(out))
