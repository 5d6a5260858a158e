//! All routes of the native surface, as the router, the authorisation and the description at `/openapi.json` know them.

use super::wire::{
    Agents, BeginSession, Change, ComparedEnvironments, Completion, CompletionRequest, Difference, Draft, Environments,
    History, Marks, Message, Promotion, Publish, PublishAnswer, Reason, Release, Rollback, RolledBack, RunTests,
    SessionDetail, Sessions, UsageReport, VersionDetail, Versions, Words,
};
use super::{agents, chat, completions, deployments, environments, usage, versions};
use crate::api::route::{Needs, Route, route};
use crate::chat::{Exam, Spoken};
use crate::describe::{Content, Parameter, data, header, query, shape, shapes, told};
use crate::domain::{AgentId, EnvironmentName};
use crate::ops::discard::Discarded;
use crate::ops::inspect::VersionView;
use crate::ops::moves::Moved;
use crate::ops::report::PrePublish;
use crate::ops::status::{AgentStatus, Status};

const KEY: Parameter = header(
    "Idempotency-Key",
    "Answers the same again for 30 days when the same call comes with it again; another call with it is refused.",
    shapes::idempotency_key,
);
const IF_MATCH: Parameter = header(
    "If-Match",
    "The ETag of the draft that was reviewed, or `*`; another draft by now is refused.",
    shapes::entity_tag,
);
const NAMED_DRAFT: Parameter = query(
    "draft",
    "A named draft, a branch or `pr/<n>`, in place of the working tree or the default branch.",
    shapes::word,
);
const FORMAT: Parameter =
    query("format", "`unified` adds the files as a patch that `git apply` takes.", shapes::diff_format);

/// What any move may be refused with.
const OF_MOVES: &[(u16, &str)] = &[
    (404, "unknown_agent"),
    (404, "unknown_environment"),
    (404, "unknown_version"),
    (409, "gate_unmet"),
    (409, "no_published_version"),
    (409, "publish_race"),
    (409, "which_environment"),
    (422, "idempotency_key_reused"),
    (502, "push_refused"),
];

/// What a call that talks to an agent may be refused with.
const OF_CHATS: &[(u16, &str)] = &[
    (404, "unknown_agent"),
    (404, "unknown_draft"),
    (404, "unknown_environment"),
    (404, "unknown_version"),
    (409, "no_published_version"),
    (409, "unknown_model"),
    (409, "which_environment"),
    (422, "draft_or_environment"),
    (422, "findings"),
    (422, "idempotency_key_reused"),
    (500, "sandbox_unavailable"),
    (502, "model_failed"),
    (504, "model_timeout"),
];

/// All of them.
pub const ROUTES: &[Route] = &[
    route("GET", "/agents", Needs::Read, "List agents", agents::list)
        .about("Sorted by id, and cut to what the token may read. Each says how its draft stands against the newest version, and what every environment serves.")
        .takes(&[
            query("limit", "How many agents a page has.", shapes::limit::<{ agents::PAGE }, { agents::LARGEST_PAGE }>),
            query("cursor", "The `nextCursor` of the page before.", shape::<AgentId>),
            query("group", "Only agents of this group: `emea` for `emea/support` and all others below it.", shape::<AgentId>),
            query("search", "Only agents whose id holds this text.", shapes::text),
            query("draft", "Only agents whose draft stands so against the newest version.", shapes::draft_state),
            query("environment", "Only agents that this environment serves.", shape::<EnvironmentName>),
        ])
        .answers(&[data::<Agents>(200, "A page of agents.")]),
    route("GET", "/agents/{agent}", Needs::Read, "Show an agent", agents::one)
        .answers(&[data::<AgentStatus>(200, "The agent.")])
        .refuses(&[(404, "unknown_agent")]),
    route("GET", "/agents/{agent}/draft", Needs::Read, "Compile the draft now", agents::draft)
        .about("What a publish would freeze at this moment, with everything that the compiler found. A draft with errors has no config and no ETag.")
        .takes(&[NAMED_DRAFT])
        .answers(&[data::<Draft>(200, "The draft.")
            .headers(&[("ETag", "The digest of the config; for `If-Match` of a publish or a discard. Absent while there are errors.")])])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_draft"), (422, "misplaced"), (422, "empty_folder")]),
    route("DELETE", "/agents/{agent}/draft", Needs::Write, "Go back to the newest version", agents::discard)
        .about("The agent's folder becomes the newest version again. What was there is kept for 30 days under a ref of its own.")
        .takes(&[IF_MATCH])
        .answers(&[data::<Discarded>(200, "The version that the draft is now, and where the bytes are kept that were there.")])
        .refuses(&[(404, "unknown_agent"), (409, "no_version"), (409, "bare_repository"), (409, "version_mismatch")]),
    route("GET", "/agents/{agent}/prepublish-report", Needs::Read, "What the draft will say and do", agents::report)
        .about("What the agent will say and won't say, which skill sends which fields to which host, its guardrails, and what its knowledge answers; and what of all that is new compared with the published environment.")
        .takes(&[query("of", "What is reported: `draft`, `draft:<branch>`, `v3` or `env:live`.", shapes::side)])
        .answers(&[data::<PrePublish>(200, "The report.")])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_version"), (404, "not_served"), (422, "findings")]),
    route("GET", "/agents/{agent}/diff", Needs::Read, "Compare two sides of an agent", versions::sides)
        .about("A side is `draft`, `draft:<branch>`, `v3` or `env:live`.")
        .takes(&[
            query("from", "One side; the newest version by default.", shapes::side),
            query("to", "The other side; the draft by default.", shapes::side),
            FORMAT,
        ])
        .answers(&[data::<Difference>(200, "What differs, field by field and file by file. Secrets are covered.")])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_version"), (404, "not_served"), (404, "unknown_draft")]),
    route("POST", "/agents/{agent}/publish", Needs::Write, "Publish the draft", versions::publish)
        .about("Freezes the draft as the next version, and moves it wherever the policy sends the latest one. A draft that is published already answers with the version that has it. Answers when what moved is served.")
        .takes(&[KEY, IF_MATCH])
        .may_say::<Publish>()
        .answers(&[
            data::<PublishAnswer>(201, "The version that was made."),
            data::<PublishAnswer>(200, "The version that has this draft already."),
        ])
        .refuses(&[
            (404, "unknown_agent"),
            (404, "unknown_draft"),
            (409, "publish_race"),
            (409, "version_mismatch"),
            (409, "draft_moved"),
            (409, "listing_not_committed"),
            (422, "findings"),
            (422, "idempotency_key_reused"),
            (502, "push_refused"),
        ]),
    route("GET", "/agents/{agent}/versions", Needs::Read, "List versions, newest first", versions::list)
        .takes(&[
            query("limit", "How many versions a page has.", shapes::limit::<{ versions::PAGE }, { versions::LARGEST_PAGE }>),
            query("cursor", "The `nextCursor` of the page before.", shapes::version),
            query("archived", "Whether archived versions are listed too.", shapes::yes_or_no),
        ])
        .answers(&[data::<Versions>(200, "A page of versions.")])
        .refuses(&[(404, "unknown_agent")]),
    route("GET", "/agents/{agent}/versions/{version}", Needs::Read, "Show a version", versions::one)
        .answers(&[data::<VersionDetail>(200, "The version with its frozen config.")
            .headers(&[("ETag", "The digest of the config.")])])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_version")]),
    route("PATCH", "/agents/{agent}/versions/{version}", Needs::Write, "Change what may change about it", versions::mark)
        .about("Label, description, star and archive are not part of what was published.")
        .says::<Marks>()
        .answers(&[data::<VersionView>(200, "The version as it is now.")])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_version"), (409, "publish_race"), (502, "push_refused")]),
    route("GET", "/agents/{agent}/versions/{version}/diff", Needs::Read, "Compare a version", versions::diff)
        .takes(&[
            query("against", "What it is compared with: `draft`, `draft:<branch>`, `v3` or `env:live`; the draft by default.", shapes::side),
            FORMAT,
        ])
        .answers(&[data::<Difference>(200, "What differs, from the version to what it is compared with.")])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_version"), (404, "not_served"), (404, "unknown_draft")]),
    route("POST", "/agents/{agent}/versions/{version}/revoke", Needs::Write, "Refuse later moves to it", versions::revoke)
        .about("Where the version is live it stays live; move another one there.")
        .takes(&[KEY])
        .may_say::<Reason>()
        .answers(&[data::<Moved>(200, "Done, or done already.")])
        .refuses(OF_MOVES),
    route("POST", "/agents/{agent}/promote", Needs::Deploy, "Move a version up", deployments::promote)
        .about("Every gate of the environment must be met; `gate_unmet` lists what is missing. Answers when what moved is served.")
        .takes(&[KEY])
        .may_say::<Promotion>()
        .answers(&[data::<Moved>(200, "It moved, or was there already.")])
        .refuses(OF_MOVES),
    route("POST", "/agents/{agent}/rollback", Needs::Deploy, "Go back to a version that was there", deployments::rollback)
        .about("Nothing is compiled, and no gate or freeze stops it. The agent is held there until the hold is released or somebody promotes.")
        .takes(&[KEY])
        .may_say::<Rollback>()
        .answers(&[data::<RolledBack>(200, "It moved, or the rollback stands already; and the version that is live again.")])
        .refuses(OF_MOVES),
    route("POST", "/agents/{agent}/retire", Needs::Deploy, "Take an agent out", deployments::retire)
        .takes(&[KEY])
        .may_say::<Change>()
        .answers(&[data::<Moved>(200, "It is out.")])
        .refuses(OF_MOVES),
    route("POST", "/agents/{agent}/hold", Needs::Deploy, "Keep an agent where it is", deployments::hold)
        .takes(&[KEY])
        .may_say::<Change>()
        .answers(&[data::<Moved>(200, "It is held.")])
        .refuses(OF_MOVES),
    route("POST", "/agents/{agent}/release-hold", Needs::Deploy, "Let an agent move again", deployments::release_hold)
        .takes(&[KEY])
        .may_say::<Change>()
        .answers(&[data::<Moved>(200, "It is held no longer.")])
        .refuses(OF_MOVES),
    route("POST", "/releases", Needs::Deploy, "Move several agents, all or none", deployments::release)
        .about("One commit, or nothing.")
        .takes(&[KEY])
        .says::<Release>()
        .answers(&[data::<Moved>(200, "They moved, or were there already.")])
        .refuses(OF_MOVES),
    route("POST", "/deployments/{deployment}/rollback", Needs::Deploy, "Undo a deployment", deployments::undo)
        .about("All its agents at once.")
        .takes(&[KEY])
        .may_say::<Reason>()
        .answers(&[data::<Moved>(200, "They are back.")])
        .refuses(&[(404, "unknown_deployment"), (409, "moved_nothing"), (409, "publish_race"), (422, "idempotency_key_reused"), (502, "push_refused")]),
    route("GET", "/environments", Needs::Read, "List environments", environments::list)
        .answers(&[data::<Environments>(200, "The environments in the order of promotion, with what each serves.")]),
    route("GET", "/environments/{a}/compare/{b}", Needs::Read, "Two environments side by side", environments::compare)
        .answers(&[data::<ComparedEnvironments>(200, "Each agent that one of them serves.")])
        .refuses(&[(404, "unknown_environment")]),
    route("GET", "/history", Needs::Read, "Who moved what, when and why", environments::history)
        .takes(&[
            query("agent", "Only this agent.", shape::<AgentId>),
            query("environment", "Only this environment.", shape::<EnvironmentName>),
            query("limit", "At most this many lines.", shapes::limit::<{ environments::LINES }, { environments::MOST_LINES }>),
        ])
        .answers(&[data::<History>(200, "The audit trail, newest first.")])
        .refuses(&[(404, "unknown_agent"), (404, "unknown_environment")]),
    route("GET", "/status", Needs::Read, "Where everything stands", agents::standing)
        .about("Drafts, versions, environments, tags that wait for a pass, and what the controller said of its newest one. Notes and tags are for tokens that may read every agent.")
        .answers(&[data::<Status>(200, "What `pointsman status` says.")]),
    route("POST", "/agents/{agent}/tests", Needs::Chat, "Run the agent's tests", chat::examine)
        .about("Each test is a conversation with what must come of it, or questions that the knowledge must answer. Nothing of it is kept or counted.")
        .may_say::<RunTests>()
        .answers(&[data::<Exam>(200, "What came of each test.")])
        .refuses(OF_CHATS),
    route("POST", "/chat/sessions", Needs::Chat, "Begin a conversation", chat::begin)
        .about("It is held to its end with the draft as it is now, or with the version that is live now, whatever moves meanwhile.")
        .takes(&[KEY])
        .says::<BeginSession>()
        .answers(&[
            data::<SessionDetail>(201, "The conversation, with the agent's greeting."),
            data::<SessionDetail>(200, "The conversation that was begun with this key."),
        ])
        .refuses(OF_CHATS),
    route("GET", "/chat/sessions", Needs::Chat, "List conversations, newest first", chat::list)
        .about("Those that the token began; for an administrator all.")
        .takes(&[
            query("agent", "Only those with this agent.", shape::<AgentId>),
            query("limit", "How many conversations a page has.", shapes::limit::<{ chat::PAGE }, { chat::LARGEST_PAGE }>),
            query("cursor", "The `nextCursor` of the page before.", shape::<uuid::Uuid>),
        ])
        .answers(&[data::<Sessions>(200, "A page of conversations.")])
        .refuses(&[(500, "sandbox_unavailable")]),
    route("GET", "/chat/sessions/{session}", Needs::Chat, "Read a conversation", chat::one)
        .answers(&[data::<SessionDetail>(200, "The conversation. What was said is kept for as long as operator and agent allow.")])
        .refuses(&[(404, "unknown_session"), (500, "sandbox_unavailable")]),
    route("POST", "/chat/sessions/{session}/messages", Needs::Chat, "Say something", chat::say)
        .about("Answered when message and reply are written down. With `stream`, or with `Accept: text/event-stream`, words come as events `delta`; the last one is `done` with the whole reply, or `error` with a problem.")
        .takes(&[KEY])
        .says::<Message>()
        .answers(&[
            data::<Spoken>(200, "The reply."),
            told(200, "The reply.", Content::Events(&[shape::<Words>, shape::<Spoken>])),
        ])
        .refuses(&[
            (404, "unknown_session"),
            (409, "unknown_model"),
            (409, "session_busy"),
            (409, "session_full"),
            (409, "session_over"),
            (422, "empty_message"),
            (422, "message_too_long"),
            (422, "idempotency_key_reused"),
            (500, "sandbox_unavailable"),
            (502, "model_failed"),
            (504, "model_timeout"),
        ]),
    route("POST", "/chat/completions", Needs::Chat, "Say something by OpenAI's protocol", completions::complete)
        .about("For programs that speak it: `model` is an agent's id, and its published version answers. A refusal holds `error` as that protocol has it, beside what any problem has.")
        .takes(&[KEY])
        .says::<CompletionRequest>()
        .answers(&[
            told(200, "The reply.", Content::Plain(shape::<Completion>)),
            told(200, "The reply.", Content::Events(&[shape::<Completion>])),
        ])
        .refuses(&[
            (400, "model_not_found"),
            (409, "no_published_version"),
            (409, "unknown_model"),
            (409, "which_environment"),
            (422, "empty_message"),
            (422, "message_too_long"),
            (422, "idempotency_key_reused"),
            (500, "sandbox_unavailable"),
            (502, "model_failed"),
            (504, "model_timeout"),
        ]),
    route("GET", "/usage", Needs::Read, "Count sessions and messages", usage::usage)
        .about("By agent, version and day (UTC), cut to what the token may read. A repeated call counts once, a failed one not at all.")
        .takes(&[
            query("agent", "Only this agent.", shape::<AgentId>),
            query("from", "Only from this day on.", shape::<jiff::civil::Date>),
            query("to", "Only up to this day.", shape::<jiff::civil::Date>),
        ])
        .answers(&[data::<UsageReport>(200, "What was used.")])
        .refuses(&[(500, "sandbox_unavailable")]),
];
