//! Whether `call_handling` holds together: who takes over, and when.

use std::collections::HashSet;

use super::folder::Folder;
use super::folder::Step::{Item, Key};
use super::references::Teller;
use crate::compile::Severity;

/// Checks the block `call_handling` of `folder`, if it has one.
pub(super) fn check(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    let Some(calls) = &folder.call_handling else { return };
    let mut names = HashSet::new();
    for (index, transfer) in calls.value.transfer.iter().enumerate() {
        if !names.insert(transfer.name.as_str()) {
            let message = format!("two transfers are called `{}`", transfer.name);
            let way = [Key("transfer"), Item(index), Key("name")];
            teller.tell(Severity::Error, "duplicate-name", calls, &way, message, "rename one of them");
        }
    }
    if let Some(after) = &calls.value.after_hours {
        if let Some(name) = after.transfer.as_deref().filter(|name| !names.contains(name)) {
            let known = calls.value.transfer.iter().map(|transfer| transfer.name.as_str());
            teller.dangling(calls, &[Key("after_hours"), Key("transfer")], "transfer", name, known);
        }
        if calls.value.business_hours.is_none() {
            let message = "there is an after-hours message, and no business hours".to_owned();
            teller.tell(Severity::Warning, "no-hours", calls, &[Key("after_hours")], message, "add `business_hours`");
        }
    }
    let Some(hours) = &calls.value.business_hours else { return };
    let weekly = &hours.weekly;
    let days = [
        ("mon", &weekly.mon),
        ("tue", &weekly.tue),
        ("wed", &weekly.wed),
        ("thu", &weekly.thu),
        ("fri", &weekly.fri),
        ("sat", &weekly.sat),
        ("sun", &weekly.sun),
    ];
    for (day, openings) in days {
        for (index, opening) in openings.iter().enumerate() {
            // The format has two digits everywhere, so texts compare as times do.
            if opening.0.split_once('-').is_some_and(|(from, to)| from >= to) {
                let message = format!("`{}` closes before it opens", opening.0);
                let way = [Key("business_hours"), Key("weekly"), Key(day), Item(index)];
                teller.tell(Severity::Error, "wrong-value", calls, &way, message, "split it at midnight");
            }
        }
    }
}
