//! The environment and the agent that a path names. An id's slashes may be written plainly or percent-encoded:
//! `/config/live/emea/billing` and `/config/live/emea%2Fbilling` are one place.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// What a path names, borrowed from it where nothing was encoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    pub(super) environment: Cow<'p, str>,
    /// Empty where the path ends with the environment.
    pub(super) agent: Cow<'p, str>,
}

/// The place that the rest of `path` after `prefix` names.
pub(super) fn place<'p>(path: &'p str, prefix: &str) -> Result<Place<'p>, Problem> {
    let rest = path.strip_prefix(prefix).unwrap_or_default();
    let (environment, agent) = rest.split_once('/').unwrap_or((rest, ""));
    Ok(Place { environment: decoded(environment)?, agent: decoded(agent)? })
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Problem> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let bad = || {
        let detail = "the path holds a `%` that does not begin an encoded UTF-8 character";
        Problem::bad_request(detail, "write a slash within an agent id plainly or as %2F, and a percent sign as %25")
    };
    let well_formed = text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    });
    if !well_formed {
        return Err(bad());
    }
    percent_decode_str(text).decode_utf8().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_of_an_id_may_be_encoded_or_not() {
        for path in ["/config/live/emea/billing", "/config/live/emea%2Fbilling", "/config/%6Cive/emea%2fbilling"] {
            let place = place(path, "/config/").unwrap();
            assert_eq!((&*place.environment, &*place.agent), ("live", "emea/billing"), "{path}");
        }
        assert_eq!(place("/config/live", "/config/").unwrap().agent, "");
    }

    #[test]
    fn a_path_that_encodes_nothing_is_refused() {
        for path in ["/config/live/%", "/config/live/%2", "/config/live/%zz", "/config/%ff/a", "/config/live/a%+1"] {
            assert!(place(path, "/config/").is_err(), "{path}");
        }
    }
}
