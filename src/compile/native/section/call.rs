//! The blocks `call_handling`, `detection` and `timeouts`: what happens around the talking.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `call_handling.*`: how long calls last and where they go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallHandling {
    /// The longest call, in seconds.
    #[serde(default)]
    #[schemars(range(min = 10, max = 86400))]
    pub max_seconds: Option<u32>,
    /// Whether the caller speaks first.
    #[serde(default)]
    pub caller_speaks_first: Option<bool>,
    /// The people calls can be handed to.
    #[serde(default)]
    pub transfer: Vec<Transfer>,
    /// When people are there.
    #[serde(default)]
    pub business_hours: Option<BusinessHours>,
    /// What happens outside business hours.
    #[serde(default)]
    pub after_hours: Option<AfterHours>,
}

/// Somewhere a call can be handed to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Its name, unique among the transfers.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// A telephone number (`+442071234567`), a SIP address (`sip:desk@example.com`) or `${name}`.
    #[schemars(regex(pattern = r"^(\+[1-9][0-9]{3,14}|sips?:[^\s]+|\$\{[^}]+\})$"))]
    pub number: String,
    /// When to hand over, for the model.
    #[serde(default)]
    pub when: Option<String>,
    /// Whether the agent introduces the caller first.
    #[serde(default)]
    pub warm: Option<bool>,
}

/// When people are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessHours {
    /// The time zone, such as `Europe/London`.
    #[schemars(regex(pattern = "^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$"))]
    pub timezone: String,
    /// Opening times per weekday (`mon` to `sun`), such as `["09:00-12:30", "13:30-17:00"]`. Days left out are closed.
    #[serde(default)]
    pub weekly: Weekly,
    /// Days on which it is closed, such as `2026-12-25`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")))]
    pub holidays: Vec<String>,
}

/// Opening times per weekday.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// Monday.
    #[serde(default)]
    pub mon: Vec<Opening>,
    /// Tuesday.
    #[serde(default)]
    pub tue: Vec<Opening>,
    /// Wednesday.
    #[serde(default)]
    pub wed: Vec<Opening>,
    /// Thursday.
    #[serde(default)]
    pub thu: Vec<Opening>,
    /// Friday.
    #[serde(default)]
    pub fri: Vec<Opening>,
    /// Saturday.
    #[serde(default)]
    pub sat: Vec<Opening>,
    /// Sunday.
    #[serde(default)]
    pub sun: Vec<Opening>,
}

/// From when to when, such as `09:00-17:00`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Opening(
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))] pub String,
);

/// What happens outside business hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterHours {
    /// What to say.
    #[schemars(length(min = 1))]
    pub say: String,
    /// The transfer to use, by name; without one nobody is called.
    #[serde(default)]
    pub transfer: Option<String>,
}

/// `detection.*`: what the agent listens for besides words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// What to do when a machine answers.
    #[serde(default)]
    pub voicemail: Option<Voicemail>,
    /// When the caller has finished.
    #[serde(default)]
    pub turn: Option<Turn>,
    /// When the caller may cut in.
    #[serde(default)]
    pub interruptions: Option<Interruptions>,
    /// Telephone keys and what they mean, such as `"0" = "a person"`.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

/// What to do when a machine answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Voicemail {
    /// Whether to look for one.
    pub enabled: bool,
    /// What to say after the tone; without it the agent hangs up.
    #[serde(default)]
    pub message: Option<String>,
}

/// When the caller has finished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Whether a model judges it, rather than silence alone.
    #[serde(default)]
    pub smart: Option<bool>,
    /// How long a silence ends a turn, in milliseconds.
    #[serde(default)]
    #[schemars(range(min = 50, max = 10000))]
    pub silence_ms: Option<u32>,
}

/// When the caller may cut in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interruptions {
    /// Whether the caller may.
    pub enabled: bool,
    /// How many words it takes.
    #[serde(default)]
    #[schemars(range(min = 1, max = 50))]
    pub min_words: Option<u32>,
    /// How long the agent then stays silent, in milliseconds.
    #[serde(default)]
    #[schemars(range(max = 30000))]
    pub backoff_ms: Option<u32>,
}

/// `timeouts.*`: when waiting ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// How long the caller may be silent, in seconds.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub idle_seconds: Option<u32>,
    /// How often the agent asks whether the caller is still there before it hangs up.
    #[serde(default)]
    #[schemars(range(max = 10))]
    pub idle_reminders: Option<u32>,
    /// How long a conversation may last, in seconds.
    #[serde(default)]
    #[schemars(range(min = 1, max = 604800))]
    pub session_seconds: Option<u32>,
    /// How long the model may take to answer, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0.1, max = 600.0))]
    pub llm_seconds: Option<f64>,
}
