//! One component a file. They hold markup; what they show is decided in `holdfast::view`.

pub(crate) mod announcer;
pub(crate) mod chat_line;
pub(crate) mod chat_panel;
pub(crate) mod controls;
pub(crate) mod debug;
pub(crate) mod devices;
pub(crate) mod ended;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod icon;
pub(crate) mod input_button;
pub(crate) mod lobby;
pub(crate) mod notices;
pub(crate) mod stage;
pub(crate) mod tile;
