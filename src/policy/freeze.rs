//! Freezes: times in which nothing enters an environment. Rollbacks and heals are never stopped by one.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::Deserialize;

use super::PolicyError;
use crate::domain::EnvironmentName;

/// A freeze. Every condition given must hold; at least one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Days of the week; empty means every day.
    pub days: Vec<Weekday>,
    /// From this time of day until that one; the second may be the smaller (over midnight: the part after midnight
    /// counts as the day on which it began).
    pub hours: Option<(Time, Time)>,
    /// First day.
    pub from: Option<Date>,
    /// Last day, included.
    pub until: Option<Date>,
    /// Where days and hours are counted.
    pub timezone: TimeZone,
    /// In the words of whoever wrote it.
    pub reason: Option<String>,
}

/// A freeze as people write it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeEntry {
    /// Days of the week: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[serde(default)]
    days: Vec<String>,
    /// Hours of the day, such as `17:00-09:00`.
    #[serde(default)]
    hours: Option<String>,
    /// First day, such as `2026-12-20`.
    #[serde(default)]
    from: Option<String>,
    /// Last day, included.
    #[serde(default)]
    until: Option<String>,
    /// IANA name, such as `Europe/London`; `UTC` by default.
    #[serde(default)]
    timezone: Option<String>,
    /// Shown to whoever is stopped by it.
    #[serde(default)]
    reason: Option<String>,
}

impl FreezeEntry {
    pub(super) fn parse(self, environment: &EnvironmentName) -> Result<Freeze, PolicyError> {
        let invalid = |what: &str, text: &str, hint: &str| {
            let mut error = PolicyError::new(format!("a freeze of `{environment}`: `{text}` is not {what}"));
            error.hint = Some(hint.to_owned());
            error
        };
        if self.days.is_empty() && self.hours.is_none() && self.from.is_none() && self.until.is_none() {
            return Err(PolicyError::new(format!(
                "a freeze of `{environment}` says no time: give days, hours, from or until"
            )));
        }
        let day = |text: &String| {
            let known = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let index = known.iter().position(|known| text == known);
            let index = index.ok_or_else(|| invalid("a day", text, "write `mon`, `tue`, … `sun`"))?;
            Ok(Weekday::from_monday_zero_offset(i8::try_from(index).expect("a week has seven days"))
                .expect("a week has seven days"))
        };
        let date = |text: String| text.parse::<Date>().map_err(|_| invalid("a day", &text, "write `2026-12-20`"));
        let hours = |text: String| {
            let pair = text.split_once('-').and_then(|(from, until)| {
                let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
                Some((time(from)?, time(until)?)).filter(|(from, until)| from != until)
            });
            pair.ok_or_else(|| invalid("a span of hours", &text, "write `17:00-09:00`"))
        };
        let zone = self.timezone.unwrap_or_else(|| "UTC".to_owned());
        Ok(Freeze {
            days: self.days.iter().map(day).collect::<Result<_, _>>()?,
            hours: self.hours.map(hours).transpose()?,
            from: self.from.map(date).transpose()?,
            until: self.until.map(date).transpose()?,
            timezone: TimeZone::get(&zone)
                .map_err(|_| invalid("a time zone", &zone, "write an IANA name such as `Europe/London`"))?,
            reason: self.reason,
        })
    }
}

impl Freeze {
    /// Whether nothing may enter at `now`.
    pub fn active(&self, now: Timestamp) -> bool {
        self.active_at(self.timezone.to_datetime(now))
    }

    fn active_at(&self, local: DateTime) -> bool {
        let (day, in_hours) = match self.hours {
            None => (local.date(), true),
            Some((from, until)) if from < until => (local.date(), from <= local.time() && local.time() < until),
            // Over midnight: the small hours belong to the day before.
            Some((from, _)) if local.time() >= from => (local.date(), true),
            Some((_, until)) => (local.date().yesterday().unwrap_or(local.date()), local.time() < until),
        };
        in_hours
            && (self.days.is_empty() || self.days.contains(&day.weekday()))
            && self.from.is_none_or(|from| day >= from)
            && self.until.is_none_or(|until| day <= until)
    }

    /// When the freeze that is active at `now` ends; nothing if that is more than a year ahead.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let mut day = self.timezone.to_datetime(now).date();
        for _ in 0..=366 {
            // A freeze ends at midnight or where its hours end.
            let ends = [Some(Time::midnight()), self.hours.map(|(_, until)| until)];
            for time in ends.into_iter().flatten() {
                let at = self.timezone.to_timestamp(day.to_datetime(time)).ok()?;
                if at > now && !self.active(at) {
                    return Some(at);
                }
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Freeze, Policy};

    fn freeze(entry: &str) -> Freeze {
        let text = format!("[[environments]]\nname = \"live\"\nfreeze = [{entry}]");
        Policy::parse(&text).unwrap().environments[0].freeze[0].clone()
    }

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn weekends_are_counted_where_the_freeze_says() {
        let weekend = freeze(r#"{ days = ["sat", "sun"], timezone = "Europe/London" }"#);
        // 2026-06-05 is a Friday; London is one hour ahead of UTC in summer.
        assert!(!weekend.active(at("2026-06-05T22:59:00Z")));
        assert!(weekend.active(at("2026-06-05T23:00:00Z")));
        assert_eq!(weekend.ends(at("2026-06-06T12:00:00Z")), Some(at("2026-06-07T23:00:00Z")));
    }

    #[test]
    fn hours_may_run_over_midnight() {
        let nights = freeze(r#"{ days = ["fri"], hours = "17:00-09:00" }"#);
        assert!(!nights.active(at("2026-06-05T08:00:00Z")));
        assert!(nights.active(at("2026-06-05T17:00:00Z")));
        assert!(nights.active(at("2026-06-06T08:59:00Z")));
        assert!(!nights.active(at("2026-06-06T09:00:00Z")));
        assert_eq!(nights.ends(at("2026-06-05T20:00:00Z")), Some(at("2026-06-06T09:00:00Z")));
    }

    #[test]
    fn dates_are_inclusive() {
        let holidays = freeze(r#"{ from = "2026-12-20", until = "2027-01-03" }"#);
        assert!(holidays.active(at("2027-01-03T23:59:59Z")));
        assert!(!holidays.active(at("2027-01-04T00:00:00Z")));
        assert_eq!(holidays.ends(at("2026-12-24T00:00:00Z")), Some(at("2027-01-04T00:00:00Z")));
    }

    #[test]
    fn a_freeze_that_never_ends_says_so() {
        let forever = freeze(r#"{ from = "2026-01-01" }"#);
        assert_eq!(forever.ends(at("2026-12-24T00:00:00Z")), None);
    }

    #[test]
    fn mistakes_are_refused() {
        for entry in
            [r#"{}"#, r#"{ days = ["saturday"] }"#, r#"{ hours = "9-5" }"#, r#"{ days = ["sat"], timezone = "Mars" }"#]
        {
            let text = format!("[[environments]]\nname = \"live\"\nfreeze = [{entry}]");
            assert!(Policy::parse(&text).is_err(), "{entry} was accepted");
        }
    }
}
