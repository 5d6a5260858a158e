//! Targets: places that hold what is live, are asked what they hold, and are corrected.
