//! Which page a URL names, read the same way by the server and by the browser.

use holdfast::RoomId;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`.
    Home,
    /// `/check`.
    Check,
    /// `/r/{room}`.
    Room(RoomId),
    /// Anything else.
    NotFound,
}

impl Page {
    /// The title of the document. It has nothing in it that would need escaping.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Home => "Holdfast: video calls that hold on".into(),
            Self::Check => "Check your connection - Holdfast".into(),
            Self::Room(room) => format!("{room} - Holdfast"),
            Self::NotFound => "Not found - Holdfast".into(),
        }
    }

    /// Whether search engines may know it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::Home | Self::Check)
    }
}

/// The query of a URL, still encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// The first value of a name, decoded; none if the name is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }
}

/// A page and what the URL says beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Which page.
    pub page: Page,
    /// What stands behind the question mark.
    pub query: Query,
}

impl Address {
    /// Reads a path and a query, the latter with or without its question mark.
    #[must_use]
    pub fn read(path: &str, query: &str) -> Self {
        let page = match path.strip_prefix("/r/") {
            Some(code) => code.parse().map_or(Page::NotFound, Page::Room),
            None if path == "/" => Page::Home,
            None if path == "/check" => Page::Check,
            None => Page::NotFound,
        };
        Self { page, query: Query(query.trim_start_matches('?').to_owned()) }
    }
}

/// Undoes form encoding: `+` for a space, `%41` for a byte. What is no UTF-8 becomes a replacement character.
#[must_use]
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        rest = if escaped.is_some() { &tail[2..] } else { tail };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes a text so that [`decode`] reads it again.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_pages() {
        assert_eq!(Address::read("/", "").page, Page::Home);
        assert_eq!(Address::read("/check", "").page, Page::Check);
        assert!(matches!(Address::read("/r/abc-def", "").page, Page::Room(room) if room.as_str() == "abc-def"));
        for path in ["", "/x", "/r/", "/r/a b", "/r/abc/more", "/R/abc"] {
            assert_eq!(Address::read(path, "").page, Page::NotFound, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Address::read("/r/abc", "?name=Ana+Mar%C3%ADa&join=1&x&bad=%zz%4").query;
        assert_eq!(query.get("name").as_deref(), Some("Ana María"));
        assert_eq!(query.get("join").as_deref(), Some("1"));
        assert_eq!(query.get("x").as_deref(), Some(""));
        assert_eq!(query.get("bad").as_deref(), Some("%zz%4"));
        assert_eq!(query.get("none"), None);
        assert_eq!(decode(&encode("no such / code & ü?")), "no such / code & ü?");
    }
}
