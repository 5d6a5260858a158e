//! `[models.<name>]` of the operator's file: the model endpoints that agents may name. An agent brings a name and
//! nothing else: where its words go and which key opens that place is said here alone.

use std::time::Duration;

use serde::Deserialize;

use super::address::called;
use super::file::{ReadSecret, length, secret};
use super::{Mistake, Outgoing, Secret, SecretSource};

/// How long a whole reply may take unless the file says otherwise.
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// A place that answers chats by OpenAI's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its base address without a slash at the end; `/chat/completions` is added.
    pub url: String,
    /// What it asks for as a bearer token.
    pub key: Option<Secret>,
    /// The model to ask for where an agent names none.
    pub model: Option<String>,
    /// How long a whole reply may take.
    pub reply_within: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelTable {
    url: String,
    key: Option<SecretSource>,
    model: Option<String>,
    reply_within: Option<String>,
}

/// The endpoint `name` of `table`.
pub(super) fn model(
    name: &str,
    table: ModelTable,
    outgoing: &Outgoing,
    read: &ReadSecret<'_>,
) -> Result<Model, Mistake> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() > 100 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(Mistake::new(format!("`{name}` is not the name of a model endpoint"))
            .hint("use up to 100 letters, digits, `.`, `-` and `_`, a letter or digit first"));
    }
    let at = format!("models.{name}");
    let wrong = |what: &str| Mistake::new(format!("`{at}.url` {what}"));
    let place = called(&table.url, &[("https", 443), ("http", 80)]).map_err(|error| match error.as_str() {
        "holds a password" => wrong(&error).hint("name the secret in a line `key = { env = … }`"),
        _ => wrong(&error).hint("write it as `https://models.example.com/v1`"),
    })?;
    if table.url.contains(['?', '#']) {
        return Err(wrong("holds more than a path").hint("leave out `?`, `#` and what follows"));
    }
    if !outgoing.allows_host(&place.host) {
        return Err(wrong(&format!("names `{}`, which may not be called", place.host))
            .hint(format!("add \"{}\" to `outgoing.allow`", place.host)));
    }
    let key = table.key.map(|source| secret(&format!("{at}.key"), &source, read)).transpose()?;
    if key.as_ref().is_some_and(|key| key.reveal().bytes().any(|c| !c.is_ascii_graphic())) {
        return Err(Mistake::new(format!("`{at}.key` holds what no header can carry"))
            .hint("a key is one line of letters, digits and signs"));
    }
    let reply_within = length(&format!("{at}.reply_within"), table.reply_within, REPLY_WITHIN)?;
    let url = table.url.trim_end_matches('/').to_owned();
    Ok(Model { url, key, model: table.model, reply_within })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Model, Mistake> {
        let outgoing = Outgoing { allow: vec!["127.0.0.1".parse().unwrap(), "models.example.com".parse().unwrap()] };
        let secrets = |source: &SecretSource| match source {
            SecretSource::Env(name) if name == "KEY" => Ok("sk-canary".to_owned()),
            SecretSource::Env(name) if name == "TWO_LINES" => Ok("sk-canary\r\nX: y".to_owned()),
            _ => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "not set")),
        };
        model("house-model", toml::from_str(text).unwrap(), &outgoing, &secrets)
    }

    #[test]
    fn a_name_stands_for_an_address_and_a_key_that_is_never_shown() {
        let model = read(
            "url = \"https://models.example.com/v1/\"\nkey = { env = \"KEY\" }\nmodel = \"large\"\nreply_within = \"5s\"",
        )
        .unwrap();
        assert_eq!((model.url.as_str(), model.reply_within), ("https://models.example.com/v1", Duration::from_secs(5)));
        assert_eq!(model.key.as_ref().unwrap().reveal(), "sk-canary");
        assert!(!format!("{model:?}").contains("canary"));
        assert_eq!(read("url = \"http://127.0.0.1:8000/v1\"").unwrap().reply_within, REPLY_WITHIN);
    }

    #[test]
    fn what_cannot_be_called_is_refused_when_the_file_is_read() {
        for (text, words) in [
            ("url = \"models.example.com\"", "models.house-model.url"),
            ("url = \"https://10.0.0.1/v1\"", "may not be called"),
            ("url = \"https://me:canary@models.example.com\"", "holds a password"),
            ("url = \"https://models.example.com/v1?key=canary\"", "more than a path"),
            ("url = \"https://models.example.com\"\nkey = { env = \"NONE\" }", "environment variable `NONE`"),
            ("url = \"https://models.example.com\"\nkey = { env = \"TWO_LINES\" }", "no header can carry"),
            ("url = \"https://models.example.com\"\nreply_within = \"0s\"", "between 1s and 24h"),
        ] {
            let mistake = read(text).unwrap_err();
            assert!(mistake.message.contains(words) && !mistake.message.contains("canary"), "{text}: {mistake:?}");
        }
    }
}
