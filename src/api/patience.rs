//! How often wrong tokens are answered as such, and how long to wait: said as clients read it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

/// How many wrong tokens are answered as such in one [`WINDOW`].
const WRONG_TOKENS: u64 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// How long whoever found no turn waits before the next try, in seconds.
const BUSY: u64 = 1;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts wrong tokens by the minute. A token has 256 random bits, so this only keeps the log and the disk quiet.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Option<Window>>);

struct Window {
    began: Instant,
    count: u64,
}

impl Refusals {
    /// Whether this one is too many.
    pub(super) fn one_more(&self) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = window.get_or_insert_with(|| Window { began: Instant::now(), count: 0 });
        if window.began.elapsed() > WINDOW {
            *window = Window { began: Instant::now(), count: 0 };
        }
        window.count += 1;
        window.count > WRONG_TOKENS
    }

    /// Seconds until the count begins anew; at least one.
    fn seconds_left(&self) -> u64 {
        let window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = window.as_ref().map_or(Duration::ZERO, |window| WINDOW.saturating_sub(window.began.elapsed()));
        left.as_secs() + 1
    }
}

/// Says how long to wait, where waiting helps: `Retry-After` (RFC 9110), and the limit as
/// draft-ietf-httpapi-ratelimit-headers writes it.
pub(super) fn tell(response: &mut Response, refusals: &Refusals) {
    let wait = match response.status() {
        StatusCode::TOO_MANY_REQUESTS => refusals.seconds_left(),
        StatusCode::SERVICE_UNAVAILABLE => BUSY,
        _ => return,
    };
    let limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.entry(RETRY_AFTER).or_insert_with(|| wait.into());
    if limited {
        let text = |text: String| HeaderValue::from_str(&text).expect("digits and words are plain ASCII");
        headers.insert(RATE_LIMIT, text(format!("\"wrong-tokens\";r=0;t={wait}")));
        let window = WINDOW.as_secs();
        headers.insert(RATE_LIMIT_POLICY, text(format!("\"wrong-tokens\";q={WRONG_TOKENS};w={window}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixty_first_wrong_token_of_a_minute_is_too_many_and_told_how_long_to_wait() {
        let refusals = Refusals::default();
        assert!((0..WRONG_TOKENS).all(|_| !refusals.one_more()));
        assert!(refusals.one_more());
        let mut response = Response::default();
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        tell(&mut response, &refusals);
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=61).contains(&wait));
        assert_eq!(response.headers()["ratelimit-policy"], "\"wrong-tokens\";q=60;w=60");
        *response.status_mut() = StatusCode::OK;
        let mut fine = Response::default();
        tell(&mut fine, &refusals);
        assert!(fine.headers().is_empty());
    }
}
