//! Which web pages may open the socket: an allow-list of origins, checked before the upgrade.

/// The allow-list. Empty means: the page's own host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Reads a list separated by commas.
    ///
    /// # Errors
    /// A sentence for the operator when an item is not an origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let checked = items.map(|item| {
            let host = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
            match host {
                Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) => {
                    Ok(item.to_ascii_lowercase())
                }
                Some(_) | None => Err(format!("'{item}' is not an origin such as https://meet.example")),
            }
        });
        checked.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether a page from `origin` may connect to the server that was addressed as `host`.
    ///
    /// Origins are compared whole: no prefix, no suffix, no wildcard. A missing origin is refused.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return false };
        if !self.0.is_empty() {
            return self.0.iter().any(|known| known == origin);
        }
        let Some(host) = host.filter(|host| !host.is_empty()) else { return false };
        origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) == Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_origin_passes() {
        let list = Origins::parse("https://meet.example, https://b.example:8443").expect("valid");
        let host = Some("meet.example");
        for (origin, allowed) in [
            (Some("https://meet.example"), true),
            (Some("https://b.example:8443"), true),
            (None, false),
            (Some(""), false),
            (Some("null"), false),
            (Some("http://meet.example"), false),
            (Some("https://meet.example:444"), false),
            (Some("https://meet.example.evil.example"), false),
            (Some("https://evilmeet.example"), false),
            (Some("https://sub.meet.example"), false),
            (Some("https://MEET.example"), false),
            (Some("https://meet.example/"), false),
            (Some("https://evil.example"), false),
            (Some("https://meet.example@evil.example"), false),
        ] {
            assert_eq!(list.allow(origin, host), allowed, "{origin:?}");
        }
    }

    #[test]
    fn without_a_list_the_own_host_passes() {
        let own = Origins::default();
        assert!(own.allow(Some("http://localhost:3000"), Some("localhost:3000")));
        assert!(!own.allow(Some("http://localhost:3001"), Some("localhost:3000")));
        assert!(!own.allow(Some("http://localhost:3000"), None));
        assert!(!own.allow(None, Some("localhost:3000")));
    }
}
