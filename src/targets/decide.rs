//! The decision of a worker, pure: what a target holds against what it should hold.

use crate::domain::ObjectId;

/// What a target says it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing.
    Nothing,
    /// A deployment of ours.
    Deployment {
        /// Its commit.
        commit: ObjectId,
        /// Its height.
        height: u64,
        /// What is not as it was delivered, if something is. Looked for only where the commit is the wanted one: any
        /// other is replaced whole.
        changed: Option<String>,
    },
    /// Something that no controller of ours left there, in words.
    Garbage(String),
    /// A commit that is not known here: left by hand, or accepted by another controller a moment ago.
    Unknown(ObjectId),
}

/// What it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The accepted head.
    pub(super) commit: ObjectId,
    /// Its height.
    pub(super) height: u64,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It holds what it should.
    Keep,
    /// It is given what it should hold.
    Deliver(Why),
    /// It holds a newer deployment than this controller knows of, and keeps it.
    Refuse {
        /// The newer height.
        height: u64,
    },
    /// Whether what it holds is newer shows only once the repository was looked at again.
    LookAgain(ObjectId),
}

/// Why something is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There was nothing.
    First,
    /// There was a lower height.
    Behind,
    /// Somebody changed what was there; in words.
    Changed(String),
}

/// What follows from `held`. `looked_since` says that the repository was read, from where it is decided, after `held`
/// was first seen: whatever is accepted is known by now.
///
/// A lower height never replaces a higher one, whoever holds it: a controller that was asleep for an hour wakes up with
/// an old snapshot in its hands.
pub(super) fn decide(held: &Held, wanted: Wanted, looked_since: bool) -> Decision {
    match held {
        Held::Nothing => Decision::Deliver(Why::First),
        Held::Garbage(what) => Decision::Deliver(Why::Changed(what.clone())),
        Held::Unknown(commit) if looked_since => {
            Decision::Deliver(Why::Changed(format!("commit {} is no accepted one", commit.short())))
        }
        Held::Unknown(commit) => Decision::LookAgain(*commit),
        Held::Deployment { height, .. } if *height > wanted.height => Decision::Refuse { height: *height },
        Held::Deployment { height, .. } if *height < wanted.height => Decision::Deliver(Why::Behind),
        Held::Deployment { commit, .. } if *commit != wanted.commit => {
            Decision::Deliver(Why::Changed(format!("commit {} is not the one accepted at this height", commit.short())))
        }
        Held::Deployment { changed: Some(what), .. } => Decision::Deliver(Why::Changed(what.clone())),
        Held::Deployment { changed: None, .. } => Decision::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(byte: u8) -> ObjectId {
        ObjectId::from_bytes([byte; 20])
    }

    fn held(byte: u8, height: u64) -> Held {
        Held::Deployment { commit: commit(byte), height, changed: None }
    }

    const LOOKED: [bool; 2] = [false, true];

    #[test]
    fn a_lower_height_never_replaces_a_higher_one() {
        for looked in LOOKED {
            for height in 1..=5 {
                let wanted = Wanted { commit: commit(1), height };
                for there in 1..=5 {
                    for byte in [1, 2] {
                        for changed in [None, Some("a file".to_owned())] {
                            let held = Held::Deployment { commit: commit(byte), height: there, changed };
                            let decision = decide(&held, wanted, looked);
                            assert_eq!(matches!(decision, Decision::Refuse { .. }), there > height);
                            assert!(there <= height || !matches!(decision, Decision::Deliver(_)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_as_delivered_is_corrected() {
        let wanted = Wanted { commit: commit(1), height: 3 };
        for looked in LOOKED {
            assert_eq!(decide(&held(1, 3), wanted, looked), Decision::Keep);
            assert_eq!(decide(&held(9, 2), wanted, looked), Decision::Deliver(Why::Behind));
            assert_eq!(decide(&Held::Nothing, wanted, looked), Decision::Deliver(Why::First));
            assert!(matches!(decide(&held(2, 3), wanted, looked), Decision::Deliver(Why::Changed(_))));
            let edited = Held::Deployment { commit: commit(1), height: 3, changed: Some("a file".to_owned()) };
            assert_eq!(decide(&edited, wanted, looked), Decision::Deliver(Why::Changed("a file".to_owned())));
            let garbage = Held::Garbage("noise".to_owned());
            assert_eq!(decide(&garbage, wanted, looked), Decision::Deliver(Why::Changed("noise".to_owned())));
        }
    }

    #[test]
    fn an_unknown_commit_is_replaced_only_after_another_look() {
        let wanted = Wanted { commit: commit(1), height: 3 };
        let unknown = Held::Unknown(commit(7));
        assert_eq!(decide(&unknown, wanted, false), Decision::LookAgain(commit(7)));
        assert!(matches!(decide(&unknown, wanted, true), Decision::Deliver(Why::Changed(_))));
    }
}
