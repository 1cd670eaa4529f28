//! The pages, one a file.

pub mod admin;
pub(crate) mod check;
pub(crate) mod home;
pub(crate) mod not_found;
pub(crate) mod room;
