//! Keyboard shortcuts: which key means what, and when a key belongs to a text field instead.

use super::Intent;

/// The shortcuts as the help shows them.
pub const SHORTCUTS: &[(&str, &str)] = &[
    ("m", "Microphone on or off"),
    ("v", "Camera on or off"),
    ("c", "Chat"),
    ("?", "This list"),
    ("Esc", "Close this list"),
];

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// Its name, as `KeyboardEvent.key` gives it.
    pub name: &'a str,
    /// Which key of the keyboard it is, as `KeyboardEvent.code` gives it: the same on every layout.
    pub code: &'a str,
    /// Whether the focus is in something one types into.
    pub typing: bool,
    /// Whether Ctrl, Alt or Meta is held: then it is the browser's.
    pub chorded: bool,
    /// Whether it repeats because it is held down.
    pub repeats: bool,
}

/// What a key means; none if it is not ours.
#[must_use]
pub fn shortcut(key: Key<'_>) -> Option<Intent> {
    if key.chorded || key.repeats {
        return None;
    }
    if key.name == "Escape" {
        return Some(Intent::Escape);
    }
    if key.typing {
        return None;
    }
    // A layout without Latin letters has ours on the same keys; one that has them has them where it says.
    let letter = match key.name {
        name if !name.is_ascii() || name == "Process" => key.code.strip_prefix("Key").unwrap_or(name),
        name => name,
    };
    match letter {
        "m" | "M" => Some(Intent::ToggleMicrophone),
        "v" | "V" => Some(Intent::ToggleCamera),
        "c" | "C" => Some(Intent::ToggleChat),
        "?" | "؟" | "？" => Some(Intent::ToggleHelp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(name: &str) -> Key<'_> {
        Key { name, code: "", typing: false, chorded: false, repeats: false }
    }

    #[test]
    fn a_text_field_keeps_its_keys() {
        assert_eq!(shortcut(press("m")), Some(Intent::ToggleMicrophone));
        assert_eq!(shortcut(Key { typing: true, ..press("m") }), None);
        assert_eq!(shortcut(Key { chorded: true, ..press("c") }), None, "Ctrl+C copies");
        assert_eq!(shortcut(Key { repeats: true, ..press("m") }), None);
        assert_eq!(shortcut(press("x")), None);
        assert_eq!(shortcut(Key { code: "KeyM", ..press("ь") }), Some(Intent::ToggleMicrophone), "a Russian layout");
        assert_eq!(shortcut(Key { code: "KeyV", ..press("م") }), Some(Intent::ToggleCamera));
        assert_eq!(shortcut(Key { code: "KeyC", ..press("Process") }), Some(Intent::ToggleChat), "an input method");
        assert_eq!(shortcut(Key { code: "KeyM", ..press("b") }), None, "a layout with other places for Latin letters");
        assert_eq!(shortcut(Key { typing: true, ..press("Escape") }), Some(Intent::Escape));
    }
}
