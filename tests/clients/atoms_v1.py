"""Drives the unmodified smallestai package (v1: drafts and versions) against a controller on loopback."""

import json
import os
import warnings

from smallestai import SmallestAI
from smallestai.core.api_error import ApiError
from smallestai.environment import SmallestAIEnvironment

warnings.simplefilter("ignore")
BASE = os.environ["BASE"]
ONCE = {"max_retries": 0}

client = SmallestAI(
    api_key=os.environ["KEY"],
    environment=SmallestAIEnvironment(
        atoms=BASE + "/atoms/v1", waves=BASE, waves_ws=BASE.replace("http", "ws"), payment=BASE
    ),
)
drafts, versions = client.atoms.agent_versioning_drafts, client.atoms.agent_versioning_versions
agent = os.environ["AGENT"]
out = {}


def refused(call, **kwargs):
    try:
        call(**kwargs, request_options=ONCE)
    except ApiError as error:
        return [error.status_code, type(error).__name__]
    raise SystemExit(f"{call} was not refused: {kwargs}")


if os.environ.get("MIGRATED"):
    from smallestai.atoms.helpers.versioning import _body_dict

    try:
        drafts.list_active_drafts(id=agent, request_options=ONCE)
    except ApiError as error:
        out["migrated"] = [error.status_code, _body_dict(error)["error_type"], error.headers["deprecation"]]
    print(json.dumps(out))
    raise SystemExit(0)

listed = versions.list_published_versions(id=agent).data
first = listed.versions[0]
out["first"] = [listed.total, first.version_number, first.is_active]
draft = drafts.create_draft(id=agent, source_version_id=first.id, draft_name="NLP Improvements").data
out["draft"] = [draft.status, draft.draft_name, draft.source_version_id == first.id]
drafts.rename_draft(id=agent, draft_id=draft.draft_id, draft_name="NLP")
edited = drafts.update_draft_config(
    id=agent,
    draft_id=draft.draft_id,
    single_prompt_config={"prompt": "Be brief.", "tools": [{"type": "end_call", "name": "bye"}]},
    first_message="Hi!",
    language={"default": "en", "switching": {"isEnabled": False}},
).data
out["edited"] = [edited.draft_revision, edited.blocks.workflow_prompt != first.blocks.workflow_prompt]
detail = drafts.get_draft_detail(id=agent, draft_id=draft.draft_id).data
out["detail"] = [detail.edit_count, detail.latest.draft_name]
diff = drafts.get_draft_diff(id=agent, draft_id=draft.draft_id).data
out["diff"] = diff.has_changes
out["active_drafts"] = len(drafts.list_active_drafts(id=agent).data)
version = drafts.publish_draft(
    id=agent, draft_id=draft.draft_id, label="Release 2", description="Briefer", activate=True
).data
out["published"] = [version.version_number, version.label, version.description, version.is_active]
out["drafts_left"] = len(drafts.list_active_drafts(id=agent).data)
back = versions.activate_version(id=agent, version_id=first.id).data
out["back"] = [back.version_number, back.is_active]
forth = versions.activate_version(id=agent, version_id=version.id).data
out["forth"] = [forth.version_number, forth.is_active]
pinned = versions.update_version_metadata(id=agent, version_id=version.id, is_pinned=True, label="Gold").data
out["pinned"] = [pinned.is_pinned, pinned.label]
out["pins"] = [item.label for item in versions.list_published_versions(id=agent, is_pinned=True).data.versions]
compared = versions.diff_two_versions(id=agent, version_a=first.id, version_b=version.id).data
out["compared"] = sorted(item.section for item in compared.diffs)
detail = versions.get_version_detail(id=agent, version_id=version.id).data
out["resolved"] = [detail.version.version_number, detail.resolved_config["prompt"]]
other = drafts.create_draft(id=agent, source_version_id=first.id).data
drafts.discard_draft(id=agent, draft_id=other.draft_id)
out["gone"] = refused(drafts.get_draft_detail, id=agent, draft_id=other.draft_id)
out["no_source"] = refused(drafts.create_draft, id=agent)
out["test_call"] = refused(versions.test_call_with_version_config, id=agent, version_id=first.id, mode="webcall")
print(json.dumps(out))
