//! A JetStream key-value bucket `<prefix><environment>`. Keys are agent ids as they are: `/` is legal in them
//! (NATS ADR-8). A value is `{"config":…,"digest":"sha256:…","record":…,"version":"v7"}` with the very bytes of
//! `config.json` and `version.json`. Two keys begin with `_`, which no agent id does: `_routes` holds `routes.json`, and
//! `_environment` says which deployment this is.
//!
//! A bucket has no transactions, so a reader that watches keys sees them change one after another, `_environment` last.
//! What it does have is an expected last sequence of the whole stream behind it: each write here names the sequence of
//! the one before. Whoever else writes in between, another controller or a person, makes the next write fail, and
//! everything is looked at again. So a late controller cannot mix its height into a newer one. Each write waits for the
//! one before: of several under way at once, a later one could fit the sequence of somebody else's.

mod contents;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectOptions, ServerAddr};
use bytes::Bytes;
use reqwest::Url;

use super::call::{Caller, chain, install_tls};
use super::decide::{Held, Wanted};
use super::mark::Mark;
use super::place::Failure;
use crate::live::Environment;
use crate::operator::{Called, Secret};
use contents::{DESCRIPTION, State, for_each, stream_of, values};

/// How long the server may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Header and subject beside a value, at most.
const OVERHEAD: usize = 4096;

const MARK: &str = "_environment";
const ROUTES: &str = "_routes";

/// One environment's bucket.
pub(super) struct Bucket {
    servers: Vec<(String, Called)>,
    bucket: String,
    credentials: Option<Secret>,
    caller: Caller,
    connection: Option<Client>,
    seen: Option<Seen>,
    /// The bucket as it was when all its values were compared, and with what.
    verified: Option<(State, Wanted)>,
}

/// What the last look found.
struct Seen {
    store: Store,
    state: State,
    /// Keys whose value is not the wanted one, or that should not be there.
    other: Vec<String>,
}

impl Bucket {
    /// The bucket called `bucket` on `servers`.
    pub(super) fn new(
        servers: Vec<(String, Called)>,
        bucket: String,
        credentials: Option<Secret>,
        caller: Caller,
    ) -> Self {
        Bucket { servers, bucket, credentials, caller, connection: None, seen: None, verified: None }
    }

    pub(super) async fn held(&mut self, wanted: &Arc<Environment>) -> Result<Held, Failure> {
        self.seen = None;
        let asked = self.ask(wanted).await;
        if asked.is_err() {
            // The next attempt resolves and connects anew.
            self.connection = None;
            self.verified = None;
        }
        asked
    }

    pub(super) async fn deliver(&mut self, wanted: &Arc<Environment>) -> Result<(), Failure> {
        self.verified = None;
        let given = self.give(wanted).await;
        if given.is_err() {
            self.connection = None;
        }
        given
    }

    async fn ask(&mut self, wanted: &Environment) -> Result<Held, Failure> {
        let context = self.context().await?;
        let mut stream = match context.get_stream(format!("KV_{}", self.bucket)).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return Ok(Held::Nothing);
                }
                _ => return Err(self.failure("open the bucket", &error)),
            },
        };
        let info = stream.info().await.map_err(|error| self.failure("read the bucket", &error))?.clone();
        let state = State::of(&info);
        let right = Wanted { commit: wanted.head, height: wanted.height };
        if self.verified == Some((state, right)) {
            return Ok(Held::Deployment { commit: wanted.head, height: wanted.height, changed: None });
        }
        let store =
            context.get_key_value(&self.bucket).await.map_err(|error| self.failure("open the bucket", &error))?;
        let mut values = values(wanted);
        let mut other = Vec::new();
        let mut mark = None;
        let mut ours = 0usize;
        for_each(&store, &info, |key, value| {
            if key == MARK {
                mark = Some(value);
                return;
            }
            match values.remove(&key) {
                Some(known) if known == value => {}
                _ => other.push(key),
            }
            ours += 1;
        })
        .await
        .map_err(|what| Failure::new(format!("the bucket `{}` {what}", self.bucket)))?;
        let empty = mark.is_none() && ours == 0;
        let is_ours = empty || mark.is_some() || info.config.description.as_deref() == Some(DESCRIPTION);
        if !is_ours {
            return Err(Failure::new(format!("the bucket `{}` is not ours: it holds other keys", self.bucket))
                .hint("choose another `bucket_prefix`, or empty it by hand"));
        }
        other.extend(values.into_keys());
        let changed = other.first().map(|key| {
            let more = if other.len() > 1 { format!(" and {} more", other.len() - 1) } else { String::new() };
            format!("the key `{key}`{more}")
        });
        self.seen = Some(Seen { store, state, other });
        if empty {
            return Ok(Held::Nothing);
        }
        let Some(Mark { commit, height, .. }) = mark.and_then(|mark| Mark::parse(&mark, &wanted.name)) else {
            return Ok(Held::Garbage(format!("the key `{MARK}` is not as it was delivered")));
        };
        if (Wanted { commit, height }) == right && changed.is_none() {
            self.verified = Some((state, right));
        }
        Ok(Held::Deployment { commit, height, changed })
    }

    async fn give(&mut self, wanted: &Environment) -> Result<(), Failure> {
        let context = self.context().await?;
        let values = values(wanted);
        let most = self.connection.as_ref().map_or(usize::MAX, |client| client.server_info().max_payload);
        if let Some((key, value)) = values.iter().find(|(_, value)| value.len() + OVERHEAD > most) {
            return Err(Failure::new(format!(
                "`{key}` has {} bytes, and the server takes {most} at most",
                value.len()
            ))
            .hint("raise `max_payload` in the server's configuration"));
        }
        let (store, mut last, other) = match self.seen.take() {
            Some(Seen { store, state, other }) => (store, state.sequence, other),
            None => {
                let made = context.create_stream(stream_of(&self.bucket)).await;
                let last =
                    made.map_err(|error| self.failure("make the bucket", &error))?.cached_info().state.last_sequence;
                let store = context.get_key_value(&self.bucket).await;
                let store = store.map_err(|error| self.failure("open the bucket", &error))?;
                (store, last, values.keys().cloned().collect())
            }
        };
        let mark = Mark::of(&wanted.name, Wanted { commit: wanted.head, height: wanted.height });
        let writes = other.iter().map(|key| (key.as_str(), values.get(key).cloned()));
        for (key, value) in writes.chain([(MARK, Some(Bytes::from(mark.bytes())))]) {
            let message = match value {
                Some(value) => PublishMessage::build().payload(value),
                None => PublishMessage::build().header("KV-Operation", "DEL"),
            };
            let subject = format!("{}{key}", store.prefix);
            let sent = context.send_publish(subject, message.expected_last_sequence(last)).await;
            let taken = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            last = match taken {
                Ok(taken) => taken.sequence,
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    return Err(Failure::new(format!("somebody else wrote to the bucket `{}`", self.bucket)).passing());
                }
                Err(error) => return Err(self.failure(&format!("write `{key}`"), &error)),
            };
        }
        Ok(())
    }

    /// The connection, made anew where there is none that stands.
    async fn context(&mut self) -> Result<jetstream::Context, Failure> {
        let connected = |client: &Client| client.connection_state() == async_nats::connection::State::Connected;
        let client = match self.connection.as_ref().filter(|client| connected(client)) {
            Some(client) => client.clone(),
            None => {
                let client = self.connect().await?;
                self.connection.insert(client).clone()
            }
        };
        let mut context = jetstream::new(client);
        context.set_timeout(ANSWER);
        Ok(context)
    }

    async fn connect(&self) -> Result<Client, Failure> {
        install_tls();
        let mut addresses = Vec::new();
        let mut refused = None;
        for (url, called) in &self.servers {
            match self.caller.resolve(&called.host, called.port).await {
                // The certificate proves the name, wherever it led; without one only checked addresses are used.
                Ok(_) if called.proven => addresses.extend(url.parse::<ServerAddr>()),
                Ok(found) => addresses.extend(found.iter().filter_map(|address| {
                    let mut url: Url = url.parse().ok()?;
                    url.set_ip_host(address.ip()).ok()?;
                    ServerAddr::from_url(url).ok()
                })),
                Err(failure) => refused = Some(failure),
            }
        }
        if let (true, Some(refused)) = (addresses.is_empty(), refused) {
            return Err(refused);
        }
        let mut options = ConnectOptions::new()
            .name("pointsman")
            .connection_timeout(ANSWER)
            .request_timeout(Some(ANSWER))
            .ignore_discovered_servers()
            .max_reconnects(1);
        if let Some(secret) = &self.credentials {
            let text = secret.reveal();
            options = match text.split_once(':') {
                _ if text.contains("-----BEGIN") => options
                    .credentials(text)
                    .map_err(|_| Failure::new("the credentials are no credentials file of NATS"))?,
                Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
                None => options.token(text.to_owned()),
            };
        }
        let connecting = tokio::time::timeout(2 * ANSWER, options.connect(addresses)).await;
        let client = connecting.map_err(|_| Failure::new("the server does not answer"))?;
        client.map_err(|error| self.failure("connect", &error))
    }

    fn failure(&self, doing: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
        let host = self.servers.first().map_or("", |(_, called)| called.host.as_str());
        Failure::new(format!("cannot {doing} at `{host}`: {}", chain(error)))
    }
}
