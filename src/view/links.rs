//! Links in messages: where an address ends, and which addresses are shown as what they are.

use crate::limits::Limits;
use crate::wire::is_unseen;

/// A piece of a chat message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Text(String),
    /// A web address, safe to link to.
    Link(String),
}

/// Splits a message into words and links, at most [`Limits::LINKS_A_MESSAGE`] of them. Only `http:` and `https:`
/// addresses become links, and only those that lead where they seem to lead.
#[must_use]
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = vec![];
    let (mut plain_from, mut from, mut links) = (0, 0, 0);
    while let Some(at) = text[from..].find(':').map(|at| from + at).filter(|_| links < Limits::LINKS_A_MESSAGE) {
        from = at + 1;
        if !text[from..].starts_with("//") {
            continue;
        }
        from += 2;
        let Some(start) = scheme_start(&text[plain_from..at]).map(|start| plain_from + start) else { continue };
        let address = &text[start..start + length(&text[start..])];
        if !is_plain(&address[from - start..]) {
            continue;
        }
        if start > plain_from {
            pieces.push(Piece::Text(text[plain_from..start].to_owned()));
        }
        pieces.push(Piece::Link(address.to_owned()));
        (plain_from, from, links) = (start + address.len(), start + address.len(), links + 1);
    }
    if plain_from < text.len() {
        pieces.push(Piece::Text(text[plain_from..].to_owned()));
    }
    pieces
}

/// Where the scheme that the text ends with begins, if it is one of ours and no longer word.
fn scheme_start(text: &str) -> Option<usize> {
    let start = ["https", "http"].iter().find_map(|scheme| {
        let start = text.len().checked_sub(scheme.len())?;
        text.get(start..)?.eq_ignore_ascii_case(scheme).then_some(start)
    })?;
    (!text[..start].ends_with(|c: char| c.is_ascii_alphanumeric())).then_some(start)
}

/// How far the address reaches that the text begins with: not over white space, quotes and the punctuation of languages
/// that put no space behind it; not over punctuation at its end; and over a closing bracket only if it was opened inside.
fn length(text: &str) -> usize {
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(c, '<' | '>' | '"' | '`' | '«' | '»' | '…' | '\u{2018}'..='\u{201F}' | '‹' | '›')
            || matches!(c, '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}')
            || matches!(c, '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}')
    };
    let mut address = &text[..text.find(ends).unwrap_or(text.len())];
    // Counted once: a message may be an address of thousands of brackets, and every page that shows it splits it.
    let count = |sign: char| address.matches(sign).count();
    let mut brackets = [('(', ')'), ('[', ']'), ('{', '}')].map(|(open, close)| (close, count(open), count(close)));
    while let Some(last) = address.chars().next_back() {
        match brackets.iter_mut().find(|(close, ..)| *close == last) {
            Some((_, opened, closed)) if *opened >= *closed => break,
            Some((.., closed)) => *closed -= 1,
            None if matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*') => {}
            None => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

/// Whether an address, without its scheme, leads where it seems to lead. The name of the server is written out in plain
/// letters: letters of other scripts can look like them, and what stands before an `@` can look like the server.
fn is_plain(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_named = match host.strip_prefix('[') {
        Some(number) => number.contains(']') && host.bytes().all(|b| b.is_ascii_hexdigit() || b"[]:.".contains(&b)),
        None => {
            host.starts_with(|c: char| c.is_ascii_alphanumeric())
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
        }
    };
    // Slashes that are none could make a path look like the end of the server's name.
    is_named && !rest.contains(|c: char| is_unseen(c) || matches!(c, '\\' | '\u{2044}' | '\u{2215}' | '\u{29F8}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<String> {
        let shown = pieces(text);
        let joined: String = shown.iter().map(|(Piece::Text(t) | Piece::Link(t))| t.as_str()).collect();
        assert_eq!(joined, text, "splitting loses no character");
        shown.into_iter().filter_map(|p| if let Piece::Link(t) = p { Some(t) } else { None }).collect()
    }

    #[test]
    fn no_message_takes_long_to_split() {
        let began = std::time::Instant::now();
        for (addresses, ends) in [(250, 2_000), (490, 70), (1, 3_990)] {
            let text = "http://é".repeat(addresses) + &")".repeat(ends);
            assert_eq!(links(&text), [""; 0]);
        }
        assert!(began.elapsed().as_secs() < 2, "{:?}: whoever is sent it cannot use the page", began.elapsed());
    }

    #[test]
    fn an_address_ends_where_a_reader_would_say() {
        for (text, link) in [
            ("see https://a.example/x?y=1, and more", "https://a.example/x?y=1"),
            (
                "https://en.wikipedia.org/wiki/Rust_(programming_language)",
                "https://en.wikipedia.org/wiki/Rust_(programming_language)",
            ),
            ("https://a.example/?q=[1]&x=(2)", "https://a.example/?q=[1]&x=(2)"),
            ("(https://a.example/abc)", "https://a.example/abc"),
            ("(see https://a.example/a_(b))", "https://a.example/a_(b)"),
            ("(https://a.example/abc).", "https://a.example/abc"),
            ("\"https://a.example/abc\"", "https://a.example/abc"),
            ("<https://a.example/abc>", "https://a.example/abc"),
            ("„https://a.example/abc“", "https://a.example/abc"),
            ("https://a.example/end。", "https://a.example/end"),
            ("https://a.example/trail…", "https://a.example/trail"),
            ("见https://a.example/x,", "https://a.example/x"),
            ("HTTPS://A.example/x", "HTTPS://A.example/x"),
            ("https://[2001:db8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
            ("http://b.", "http://b"),
            ("*https://a.example/x*", "https://a.example/x"),
            ("https://a.example/路径", "https://a.example/路径"),
        ] {
            assert_eq!(links(text), [link], "{text}");
        }
        assert_eq!(links("http://x.y (https://z)\n a https://b/c://d"), ["http://x.y", "https://z", "https://b/c://d"]);
    }

    #[test]
    fn what_could_lead_elsewhere_than_it_seems_is_no_link() {
        for text in [
            "javascript:alert(1)",
            "https://",
            "https://<b>",
            "xhttps://a.example",
            "https://good.example@evil.example/",
            "https://good.example\\@evil.example/",
            "https://good.example\u{2044}x.evil.example/",
            "https://good.example/\u{202E}x",
            "https://g\u{200B}ood.example/",
            "https://\u{430}pple.example/",
            "https://b\u{fc}cher.example/",
            "https://%65vil.example/",
            "ftp://a.example/",
        ] {
            assert!(links(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_message_has_a_bounded_number_of_links() {
        let text = "https://a.b/ ".repeat(300);
        assert_eq!(links(&text).len(), Limits::LINKS_A_MESSAGE);
        assert!(pieces(&text).len() <= 2 * Limits::LINKS_A_MESSAGE + 1);
    }
}
