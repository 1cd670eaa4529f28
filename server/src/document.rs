//! What the framework writes into a page that HTML does not allow, put right before it is sent.

const END: &str = "</body></html>";

/// A page as HTML allows it: scripts stand inside of its body, and a nonce only where a nonce belongs. Browsers read both
/// forms alike; those who check pages do not.
#[must_use]
pub fn valid(page: &str, nonce: &str) -> String {
    // A nonce is random: nobody can have written this elsewhere.
    let page = page.replace(&format!("crossorigin=\"{nonce}\""), "crossorigin=\"anonymous\"");
    match page.rsplit_once(END) {
        // What is shown of people's texts has no tags, so the last end is the document's.
        Some((before, after)) => format!("{before}{after}{END}"),
        None => page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_come_inside_and_the_nonce_stays_with_them() {
        let page = "<link crossorigin=\"n1\"><body>x</body></html><script nonce=\"n1\">1</script>";
        let wanted = "<link crossorigin=\"anonymous\"><body>x<script nonce=\"n1\">1</script></body></html>";
        assert_eq!(valid(page, "n1"), wanted);
        assert_eq!(valid(wanted, "n1"), wanted);
        assert_eq!(valid("no page", "n1"), "no page");
    }
}
