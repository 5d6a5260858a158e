//! The loop of `serve`: it wakes up, runs a pass, and publishes what is live.
