//! How settings are read: empty means default, a secret may stand in a file, and a mistake names the variable it is in.

use crate::config::Config;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// Files that hold what should not stand in the environment, one setting each; a line break at the end is not part of it.
#[derive(Clone, Debug, Default, Parser)]
pub struct SecretFiles {
    /// File that holds HOLDFAST_SECRET.
    #[arg(long = "secret-file", env = "HOLDFAST_SECRET_FILE")]
    pub secret_file: Option<PathBuf>,

    /// File that holds HOLDFAST_SECRET_OLD.
    #[arg(long = "secret-old-file", env = "HOLDFAST_SECRET_OLD_FILE")]
    pub secret_old_file: Option<PathBuf>,

    /// File that holds HOLDFAST_ADMIN_TOKEN.
    #[arg(long = "admin-token-file", env = "HOLDFAST_ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// File that holds REDIS_URL.
    #[arg(long = "redis-url-file", env = "REDIS_URL_FILE")]
    pub redis_url_file: Option<PathBuf>,

    /// File that holds MONGODB_URI.
    #[arg(long = "mongodb-uri-file", env = "MONGODB_URI_FILE")]
    pub mongodb_uri_file: Option<PathBuf>,

    /// File that holds TURN_SECRET.
    #[arg(long = "turn-secret-file", env = "TURN_SECRET_FILE")]
    pub turn_secret_file: Option<PathBuf>,
}

impl Config {
    /// Reads flags and environment, and the files they name.
    ///
    /// # Errors
    /// What is wrong, in words for the operator; also what `--help` and `--version` ask for.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().collect();
        let is_empty =
            |name: &str| std::env::var_os(name).is_some_and(|value| value.to_string_lossy().trim().is_empty());
        // An empty line in a file of settings is how one says 'as usual'.
        let mut command = Self::command().mut_args(|arg| match env_of(&arg) {
            Some(name) if is_empty(&name) => arg.env(Resettable::Reset),
            Some(_) | None => arg,
        });
        let matches = command.try_get_matches_from_mut(args.iter());
        let read = matches.and_then(|matches| Self::from_arg_matches(&matches));
        let mut config = read.map_err(|error| named(error, &command, &args))?;
        config.read_files().map_err(|text| command.error(clap::error::ErrorKind::ValueValidation, text))?;
        Ok(config)
    }

    fn read_files(&mut self) -> Result<(), String> {
        let files = self.files.clone();
        for (name, file, value) in [
            ("HOLDFAST_SECRET", files.secret_file, &mut self.secret),
            ("HOLDFAST_SECRET_OLD", files.secret_old_file, &mut self.secret_old),
            ("HOLDFAST_ADMIN_TOKEN", files.admin_token_file, &mut self.admin_token),
            ("REDIS_URL", files.redis_url_file, &mut self.redis_url),
            ("MONGODB_URI", files.mongodb_uri_file, &mut self.mongodb_uri),
            ("TURN_SECRET", files.turn_secret_file, &mut self.turn.secret),
        ] {
            let Some(path) = file else { continue };
            if !value.is_empty() {
                return Err(format!("{name} and {name}_FILE are both set"));
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{name}_FILE: {} cannot be read: {error}", path.display()))?;
            text.trim_end_matches(['\r', '\n']).clone_into(value);
            if value.is_empty() {
                return Err(format!("{name}_FILE: {} is empty", path.display()));
            }
        }
        Ok(())
    }
}

fn env_of(arg: &Arg) -> Option<String> {
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// Whoever set a variable never wrote the flag that an error is about.
fn named(mut error: clap::Error, command: &Command, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let flag = flag.clone();
    let long = flag.split(' ').next().unwrap_or_default();
    let was_written = args.iter().any(|arg| arg.to_string_lossy().split('=').next() == Some(long));
    let arg = command.get_arguments().find(|arg| arg.get_long().is_some_and(|name| long == format!("--{name}")));
    if let Some(variable) = arg.and_then(env_of).filter(|_| !was_written) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(format!("{variable} ({flag})")));
    }
    error
}

/// An item of a list, in which a space may follow a comma.
///
/// # Errors
/// Those of the item.
pub fn item<T: std::str::FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// Reads the address of a relay. One that browsers refuse would make every call fail: they take all or none.
///
/// # Errors
/// A sentence for the operator.
pub fn ice_url(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    if !["turn", "turns", "stun", "stuns"].contains(&scheme) {
        return Err(format!("'{text}' does not start with turn:, turns:, stun: or stuns:"));
    }
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let known = match query {
        None => true,
        Some(query) => scheme.starts_with("turn") && ["transport=udp", "transport=tcp"].contains(&query),
    };
    let host = crate::turn::host_name(place);
    let port = place[host.len()..].strip_prefix(':').map_or(Some(3478), |port| port.parse::<u16>().ok());
    if known && port.is_some_and(|port| port > 0) && url::Host::parse(host).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' is not an address such as turn:relay.example:3478?transport=udp"))
}

/// Reads a host name, without a port or anything else of a URL.
///
/// # Errors
/// A sentence for the operator.
pub fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = text.is_empty() || url::Host::parse(text).is_ok();
    if fits { Ok(text.to_owned()) } else { Err(format!("'{text}' is not a host name such as relay.example")) }
}

/// Reads a filter for the log. A single word must be a level: any other would be taken for a place in the program, and
/// silence all the rest.
///
/// # Errors
/// A sentence for the operator.
pub fn log_filter(text: &str) -> Result<String, String> {
    let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let is_level =
        |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_ascii_lowercase().as_str());
    if let Some(word) = items.iter().find(|item| !item.contains(['=', '[']) && !is_level(item)) {
        return Err(format!(
            "'{word}' is none of error, warn, info, debug, trace, off, nor a filter such as info,redis=debug"
        ));
    }
    let filter = items.join(",");
    tracing_subscriber::EnvFilter::try_new(&filter).map_err(|error| error.to_string())?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(args: &[&str]) -> Result<Config, String> {
        Config::load(std::iter::once("holdfast").chain(args.iter().copied()).map(OsString::from))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn secrets_come_from_files_and_only_from_one_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("secret");
        let path = file.to_str().expect("text");
        let long = "0123456789abcdef0123456789abcdef";
        std::fs::write(&file, format!("{long}\n")).expect("written");
        for (flag, read) in [
            ("--secret-file", (|config: &Config| config.secret.clone()) as fn(&Config) -> String),
            ("--secret-old-file", |config| config.secret_old.clone()),
            ("--admin-token-file", |config| config.admin_token.clone()),
            ("--redis-url-file", |config| config.redis_url.clone()),
            ("--mongodb-uri-file", |config| config.mongodb_uri.clone()),
            ("--turn-secret-file", |config| config.turn.secret.clone()),
        ] {
            assert_eq!(read(&load(&[flag, path]).expect(flag)), long, "{flag}");
        }
        let both = load(&["--secret-file", path, "--secret", long]).expect_err("two places");
        assert!(both.contains("HOLDFAST_SECRET and HOLDFAST_SECRET_FILE are both set"), "{both}");
        let none = load(&["--turn-secret-file", "/none"]).expect_err("no such file");
        assert!(none.contains("TURN_SECRET_FILE: /none cannot be read"), "{none}");
        std::fs::write(&file, "\n").expect("written");
        assert!(load(&["--secret-file", path]).expect_err("empty").contains("is empty"));
    }

    #[test]
    fn what_browsers_would_refuse_is_refused() {
        for good in [
            "turn:relay.example",
            " turn:relay.example:3478?transport=udp",
            "turns:relay.example:443?transport=tcp",
            "stun:192.0.2.7:3478",
            "turn:[2001:db8::1]:3478",
            "stuns:relay.example",
        ] {
            assert_eq!(ice_url(good).as_deref(), Ok(good.trim()));
        }
        for bad in [
            "relay.example",
            "https://relay.example",
            "turn://relay.example",
            "turn:relay.example:port",
            "turn:relay.example:0",
            "turn:",
            "turn:a b",
            "turn:user@relay.example",
            "turn:relay.example?transport=sctp",
            "stun:relay.example?transport=udp",
        ] {
            assert!(ice_url(bad).is_err(), "{bad}");
        }
        assert!(host_name("relay.example").is_ok() && host_name("").is_ok() && host_name("[2001:db8::1]").is_ok());
        assert!(host_name("https://relay.example").is_err() && host_name("relay.example:3478").is_err());
    }

    #[test]
    fn a_log_filter_is_a_level_or_names_places() {
        for good in ["info", "WARN", "info, redis=debug", "server=trace", "off", ""] {
            assert!(log_filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "inof", "info,loud", "server=loud", "redis=debug,loud"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }
}
