//! The pages, one a file.

pub(crate) mod home;
pub(crate) mod not_found;
pub(crate) mod room;
