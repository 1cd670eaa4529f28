//! Faults on purpose, for tests that need a network or a store to fail in one exact way.

pub mod balance;
pub mod history;
pub mod link;
pub mod proxy;
pub mod shaper;
