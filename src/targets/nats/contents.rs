//! What a bucket holds: the values of a deployment, the stream behind it, and reading all of it.

use std::collections::BTreeMap;

use async_nats::jetstream;
use async_nats::jetstream::kv::{Operation, Store};
use async_nats::jetstream::stream::DiscardPolicy;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{ANSWER, ROUTES};
use crate::live::{Environment, Served};
use crate::targets::call::chain;

/// The most keys that are looked at in a bucket.
const MOST_KEYS: usize = 200_000;

/// Changes with every write to a bucket, and when another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    created: i128,
    pub(super) sequence: u64,
    messages: u64,
}

impl State {
    /// As the server tells it.
    pub(super) fn of(info: &jetstream::stream::Info) -> Self {
        State {
            created: info.created.unix_timestamp_nanos(),
            sequence: info.state.last_sequence,
            messages: info.state.messages,
        }
    }
}

/// Marks a bucket as ours even while it holds nothing.
pub(super) const DESCRIPTION: &str = "what is live, written by Pointsman";

/// The stream behind a bucket, as NATS ADR-8 has it. Made here because the library asks for the account first, and does
/// not understand what a server of version 2.9, Debian's, answers.
pub(super) fn stream_of(bucket: &str) -> jetstream::stream::Config {
    jetstream::stream::Config {
        name: format!("KV_{bucket}"),
        description: Some(DESCRIPTION.to_owned()),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas: 1,
        ..jetstream::stream::Config::default()
    }
}

/// The values of a deployment, by key, without the mark.
pub(super) fn values(wanted: &Environment) -> BTreeMap<String, Bytes> {
    let value = |served: &Served| {
        let middle = format!(",\"digest\":\"{}\",\"record\":", served.digest);
        let end = format!(",\"version\":\"{}\"}}", served.version);
        [b"{\"config\":", &served.config[..], middle.as_bytes(), &served.record[..], end.as_bytes()].concat().into()
    };
    let mut values: BTreeMap<String, Bytes> =
        wanted.agents.iter().map(|(agent, served)| (agent.to_string(), value(served))).collect();
    values.insert(ROUTES.to_owned(), wanted.routes.document().into());
    values
}

/// Calls `each` with every key that has a value.
pub(super) async fn for_each(
    store: &Store,
    info: &jetstream::stream::Info,
    mut each: impl FnMut(String, Bytes),
) -> Result<(), String> {
    if info.state.messages == 0 {
        return Ok(());
    }
    let mut entries =
        store.watch_with_history(">").await.map_err(|error| format!("cannot be read: {}", chain(&error)))?;
    let mut count = 0;
    loop {
        let entry = match tokio::time::timeout(ANSWER, entries.next()).await {
            Ok(Some(Ok(entry))) => entry,
            Ok(Some(Err(error))) => return Err(format!("cannot be read: {}", chain(&error))),
            Ok(None) | Err(_) if count == 0 => return for_each_by_name(store, each).await,
            Ok(None) | Err(_) => return Err("does not say what it holds".to_owned()),
        };
        count += 1;
        if count > MOST_KEYS {
            return Err(too_many());
        }
        let last = entry.delta == 0;
        if entry.operation == Operation::Put {
            each(entry.key, entry.value);
        }
        if last {
            return Ok(());
        }
    }
}

/// The same with one question for each key. A server of version 2.9 whose bucket was deleted and made again at once may
/// hold all messages and send them to no consumer, until it is started again.
async fn for_each_by_name(store: &Store, mut each: impl FnMut(String, Bytes)) -> Result<(), String> {
    let cannot = |error: &(dyn std::error::Error + 'static)| format!("cannot be read: {}", chain(error));
    let subjects = store.stream.info_with_subjects(format!("{}>", store.prefix)).await;
    let mut subjects = subjects.map_err(|error| cannot(&error))?;
    let mut count = 0;
    while let Some(subject) = subjects.next().await {
        let (subject, _) = subject.map_err(|error| cannot(&error))?;
        count += 1;
        if count > MOST_KEYS {
            return Err(too_many());
        }
        let Some(key) = subject.strip_prefix(&store.prefix) else { continue };
        let entry = store.entry(key).await.map_err(|error| cannot(&error))?;
        if let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) {
            each(entry.key, entry.value);
        }
    }
    Ok(())
}

fn too_many() -> String {
    format!("holds more than {MOST_KEYS} keys")
}
