//! A web address that is told what is live, by the rules of Standard Webhooks.
//!
//! It cannot be asked what it holds, so what it acknowledged last is kept below the state folder. That is a hint: with it
//! a restart sends nothing twice, without it the newest message goes out once more, under the same id.
//!
//! Only the newest height is told: a message says everything that is live, and one that was overtaken is dropped. A
//! message that is refused for about a day becomes a dead letter, and is then tried four times a day, so that a receiver
//! that comes back after a long time needs nobody either.

mod letters;
mod message;
mod sign;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};

use super::call::{Caller, chain};
use super::decide::Held;
use super::memory;
use super::place::Failure;
use crate::domain::{Digest, EnvironmentName};
use crate::live::Environment;
use crate::operator::{Called, SigningSecrets};
pub use letters::{Letter, Letters};
use message::Told;

/// How long one attempt may take, from the name to the answer's head. Standard Webhooks recommends 15 to 30 s.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// How often a message that was given up is tried all the same.
const GIVEN_UP: Duration = Duration::from_secs(6 * 60 * 60);

/// Where a webhook goes and what it needs.
pub(super) struct Receiver {
    pub(super) target: String,
    pub(super) environment: EnvironmentName,
    pub(super) url: String,
    pub(super) secrets: SigningSecrets,
    pub(super) called: Called,
    pub(super) caller: Caller,
    /// How many attempts a message gets before it is a dead letter.
    pub(super) attempts: u32,
}

/// One environment's messages to one receiver.
pub(super) struct Webhook {
    to: Receiver,
    letters: Letters,
    file: PathBuf,
    memory: Memory,
    client: Option<reqwest::Client>,
}

/// What survives a restart.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    /// Digest of the address, which may hold a token: what another receiver acknowledged says nothing.
    receiver: Option<Digest>,
    acknowledged: Option<Told>,
    pending: Option<Pending>,
}

/// The message that is being sent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    id: String,
    first_tried: jiff::Timestamp,
    attempts: u32,
    given_up: bool,
}

impl Webhook {
    /// The messages to `to`, remembered in `file`, with dead letters in `letters`.
    pub(super) fn new(to: Receiver, file: PathBuf, letters: Letters) -> Self {
        let receiver = Some(Digest::of(to.url.as_bytes()));
        let memory = memory::read::<Memory>(&file).filter(|memory| memory.receiver == receiver);
        let memory = memory.unwrap_or(Memory { receiver, ..Memory::default() });
        Webhook { to, letters, file, memory, client: None }
    }

    pub(super) async fn held(&mut self) -> Result<Held, Failure> {
        Ok(match &self.memory.acknowledged {
            None => Held::Nothing,
            Some(Told { commit, height, .. }) => Held::Deployment { commit: *commit, height: *height, changed: None },
        })
    }

    pub(super) fn is_asked_again(&self) -> bool {
        let pending = self.memory.pending.as_ref();
        pending.is_some_and(|pending| self.letters.is_asked_for(&self.to.target, &pending.id))
    }

    pub(super) fn dead_letters(&self) -> usize {
        self.letters.count(&self.to.target, &self.to.environment)
    }

    pub(super) async fn deliver(&mut self, wanted: &Arc<Environment>) -> Result<(), Failure> {
        let told = Told::of(wanted);
        let mut pending = self.pending(told.id(&wanted.name));
        let body = told.body(&wanted.name, pending.first_tried, self.memory.acknowledged.as_ref());
        let refused = match self.send(&pending.id, body.clone()).await {
            Ok(()) => {
                self.letters.settle(&self.to.target, &wanted.name, told.height);
                self.memory.acknowledged = Some(told);
                self.memory.pending = None;
                self.remember();
                return Ok(());
            }
            Err(refused) => refused,
        };
        pending.attempts = pending.attempts.saturating_add(1);
        if !pending.given_up && (pending.attempts >= self.to.attempts || refused.for_good) {
            let letter = Letter {
                id: pending.id.clone(),
                target: self.to.target.clone(),
                environment: wanted.name.clone(),
                commit: wanted.head,
                height: wanted.height,
                first_tried: pending.first_tried,
                given_up: jiff::Timestamp::now(),
                attempts: pending.attempts,
                failure: refused.failure.message.clone(),
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            // Without its letter it is not given up, and tried as often as before.
            self.letters.give_up(&letter)?;
            pending.given_up = true;
            tracing::error!(to = self.to.target, id = pending.id, failure = letter.failure, "a message was given up");
        }
        let wait = if pending.given_up { Some(GIVEN_UP) } else { refused.failure.wait };
        self.memory.pending = Some(pending);
        self.remember();
        Err(refused.failure.wait(wait))
    }

    /// The message `id` as far as it was tried; what was being sent before it was overtaken.
    fn pending(&mut self, id: String) -> Pending {
        let known = self.memory.pending.take().filter(|pending| pending.id == id);
        let fresh = || Pending { id: id.clone(), first_tried: jiff::Timestamp::now(), attempts: 0, given_up: false };
        let mut pending = known.unwrap_or_else(fresh);
        if self.letters.is_asked_for(&self.to.target, &id) {
            pending = Pending { attempts: 0, given_up: false, ..pending };
            self.memory.pending = Some(pending.clone());
            self.remember();
            self.letters.take(&self.to.target, &id);
        }
        pending
    }

    async fn send(&mut self, id: &str, body: Vec<u8>) -> Result<(), Refused> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(self.to.caller.client(LIMIT)?).clone(),
        };
        let seconds = jiff::Timestamp::now().as_second();
        let request = client
            .post(&self.to.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", sign::signature(&self.to.secrets, id, seconds, &body))
            .body(body);
        // The answer's body says nothing that is needed, so not a byte of it is read.
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                // The resolver's own words, with their hint, if it was that.
                if error.is_connect() {
                    self.to.caller.resolve(&self.to.called.host, self.to.called.port).await?;
                }
                let what = if error.is_timeout() { "no answer in time".to_owned() } else { chain(&error) };
                return Err(Failure::new(format!("`{}`: {what}", self.to.called.host)).into());
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = Failure::new(format!("`{}` answered {status}", self.to.called.host));
        let said = match status {
            _ if status.is_redirection() => said.hint("redirects are not followed: name the new address in `url`"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => said.hint("do both sides know the same secret?"),
            _ => said,
        };
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let wait = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        // Standard Webhooks: 410 says that nothing more is to be sent.
        Err(Refused { failure: said.wait(wait), for_good: status == StatusCode::GONE })
    }

    fn remember(&self) {
        if let Err(failure) = memory::write(&self.file, &self.memory) {
            tracing::warn!(to = self.to.target, failure = failure.message, "a restart would send a message again");
        }
    }
}

/// Why an attempt failed, and whether there is any use in others soon.
struct Refused {
    failure: Failure,
    for_good: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused { failure, for_good: false }
    }
}
