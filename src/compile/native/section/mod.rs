//! The shapes of the files in a native folder, one struct per file.
//!
//! They are the file format: what a field means stands in its doc comment, from which `pointsman schema` and editors
//! take it. What is left out of a file is left out of the frozen config too, except where a field says what holds then.

mod agent;
mod call;
mod conduct;
mod graph;
mod knowledge;
mod model;
mod skill;
mod surface;
mod test;

pub use agent::{Agent, Workflow};
pub use call::{
    AfterHours, BusinessHours, CallHandling, Detection, Interruptions, Opening, Timeouts, Transfer, Turn, Voicemail,
    Weekly,
};
pub use conduct::{Action, Guardrail, GuardrailKind, Playbook, Step};
pub use graph::{Graph, GraphNode, Transition};
pub use knowledge::Article;
pub use model::{Fallback, Language, LanguagePolicy, Llm, Transcriber, Voice};
pub use skill::{FieldType, Method, Parameter, Request, Skill};
pub use surface::{Analytics, Audio, Background, Field, Position, Privacy, Widget};
pub use test::{Expectation, Test, TestTurn};

/// For fields whose default is `true`.
fn yes() -> bool {
    true
}

/// For fields that are left out of the frozen config when `false`.
fn is_false(value: &bool) -> bool {
    !value
}
