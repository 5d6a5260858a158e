//! The file of tokens in the state folder: hashes, scopes and dates, readable by its owner alone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

use super::{Need, Right, Scope};

/// What every token begins with, so that scanners find one that leaked.
const PREFIX: &str = "pm_sk_";

/// Files below the state folder.
const FILE: &str = "tokens.json";
const LOCK: &str = "tokens.lock";
const ADMIN: &str = "admin-token";

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// What it is called in lists; names nothing secret.
    pub id: String,
    /// Whose it is, in the words of whoever made it.
    pub name: String,
    /// sha256 of the token, hexadecimal.
    hash: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<jiff::Timestamp>,
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires: Option<jiff::Timestamp>,
}

/// A token that was just made.
#[derive(Clone, Debug)]
pub struct Issued {
    /// How it is kept.
    pub token: Token,
    /// The token itself; shown once.
    pub secret: String,
}

/// What can go wrong with the file of tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or written.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("`{path}` does not parse: {message}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// There is no such token.
    #[error("there is no token `{0}`")]
    Unknown(String),
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    tokens: Vec<Token>,
}

/// The tokens of one controller.
#[derive(Clone, Debug)]
pub struct Tokens {
    dir: PathBuf,
}

impl Token {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: jiff::Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it has `right` over every agent there is.
    pub fn allows_everywhere(&self, right: &Right) -> bool {
        self.scopes.iter().any(|scope| scope.allows_everywhere(right))
    }

    /// Whether one of its scopes allows `need`.
    pub fn allows(&self, need: &Need<'_>) -> bool {
        self.scopes.iter().any(|scope| scope.allows(need))
    }
}

impl Tokens {
    /// The tokens that are kept in the state folder `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        Tokens { dir: dir.to_owned() }
    }

    /// All tokens, oldest first, those that hold no more included.
    pub fn all(&self) -> Result<Vec<Token>, TokenError> {
        let path = self.dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(TokenError::Io { path, source }),
        };
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|error| TokenError::Damaged { path, message: error.to_string() })?;
        Ok(document.tokens)
    }

    /// The token that `shown` is, if it holds at `now`. Every hash is compared, in constant time.
    pub fn find(&self, shown: &str, now: jiff::Timestamp) -> Result<Option<Token>, TokenError> {
        let hash = hash(shown);
        let mut found = None;
        for token in self.all()? {
            if bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes())) {
                found = Some(token);
            }
        }
        Ok(found.filter(|token| token.holds(now)))
    }

    /// Makes a token.
    pub fn create(&self, new: NewToken, now: jiff::Timestamp) -> Result<Issued, TokenError> {
        let (secret, hash) = secret()?;
        let token = Token {
            id: format!("tok_{}", &hash[..12]),
            name: new.name,
            hash,
            scopes: new.scopes,
            created: now,
            expires: new.expires,
            revoked: None,
        };
        self.change(|tokens| {
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok(Issued { token, secret })
    }

    /// Takes back the token with this id or name; all of that name.
    pub fn revoke(&self, name: &str, now: jiff::Timestamp) -> Result<Vec<Token>, TokenError> {
        self.change(|tokens| {
            let named = |token: &&mut Token| token.id == name || token.name == name;
            let mut revoked = Vec::new();
            for token in tokens.iter_mut().filter(named) {
                token.revoked.get_or_insert(now);
                revoked.push(token.clone());
            }
            if revoked.is_empty() { Err(TokenError::Unknown(name.to_owned())) } else { Ok(revoked) }
        })
    }

    /// The token of whoever can read this machine's state folder, made where there is none. The command line finds it
    /// there by itself.
    pub fn local_admin(&self, now: jiff::Timestamp) -> Result<String, TokenError> {
        let path = self.dir.join(ADMIN);
        if let Ok(shown) = std::fs::read_to_string(&path) {
            let shown = shown.trim().to_owned();
            if self.find(&shown, now)?.is_some() {
                return Ok(shown);
            }
        }
        let new = NewToken { name: "local admin".to_owned(), scopes: vec![Scope::admin()], expires: None };
        let issued = self.create(new, now)?;
        write_private(&path, format!("{}\n", issued.secret).as_bytes())?;
        Ok(issued.secret)
    }

    /// The token that [`Self::local_admin`] left here, if this user may read it.
    pub fn kept_admin(&self) -> Option<String> {
        let shown = std::fs::read_to_string(self.dir.join(ADMIN)).ok()?;
        Some(shown.trim().to_owned()).filter(|shown| shown.starts_with(PREFIX))
    }

    /// Reads, changes and replaces the file, one process at a time.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let path = self.dir.join(LOCK);
        let io = |source| TokenError::Io { path: path.clone(), source };
        std::fs::create_dir_all(&self.dir).map_err(io)?;
        let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(io)?;
        lock.lock().map_err(io)?;
        let mut tokens = self.all()?;
        let done = change(&mut tokens)?;
        let bytes = serde_json::to_vec_pretty(&Document { tokens }).expect("tokens are plain JSON");
        write_private(&self.dir.join(FILE), &bytes)?;
        Ok(done)
    }
}

fn hash(token: &str) -> String {
    sha2::Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new token of 256 random bits, and its hash.
fn secret() -> Result<(String, String), TokenError> {
    let path = Path::new("/dev/urandom");
    let mut random = [0; 32];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut random));
    read.map_err(|source| TokenError::Io { path: path.to_owned(), source })?;
    let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
    let hash = hash(&secret);
    Ok((secret, hash))
}

/// Replaces a file by rename; only its owner may read it, from its first byte on.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TokenError> {
    let io = |source| TokenError::Io { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("."));
    // Temporary files are made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    fn new(name: &str, expires: Option<i64>) -> NewToken {
        NewToken { name: name.to_owned(), scopes: vec!["agents:read".parse().unwrap()], expires: expires.map(at) }
    }

    #[test]
    fn a_token_holds_until_it_ends_or_is_taken_back_and_only_its_hash_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::in_dir(dir.path());
        let issued = tokens.create(new("ci", Some(100)), at(1)).unwrap();
        assert!(issued.secret.starts_with("pm_sk_") && issued.secret.len() > 40);
        assert_eq!(tokens.find(&issued.secret, at(99)).unwrap().unwrap().name, "ci");
        assert_eq!(tokens.find(&issued.secret, at(100)).unwrap(), None);
        assert_eq!(tokens.find("pm_sk_other", at(1)).unwrap(), None);
        let lasting = tokens.create(new("voice", None), at(1)).unwrap();
        tokens.revoke("voice", at(2)).unwrap();
        assert_eq!(tokens.find(&lasting.secret, at(3)).unwrap(), None);
        assert!(matches!(tokens.revoke("nobody", at(2)), Err(TokenError::Unknown(_))));
        let file = dir.path().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&issued.secret) && !text.contains(&lasting.secret));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_local_admin_is_made_once_and_again_after_it_was_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::in_dir(dir.path());
        let first = tokens.local_admin(at(1)).unwrap();
        assert_eq!(tokens.local_admin(at(2)).unwrap(), first);
        tokens.revoke("local admin", at(3)).unwrap();
        let second = tokens.local_admin(at(4)).unwrap();
        assert_ne!(first, second);
        assert_eq!(tokens.find(&first, at(5)).unwrap(), None);
        assert_eq!(dir.path().join(ADMIN).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
