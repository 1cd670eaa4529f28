//! What an operator is told: settings as documented, mistakes by their names, a full disk, and what stays private.

mod support;

use clap::CommandFactory;
use holdfast::wire::{CloseCode, Refusal, ServerMsg};
use server::config::Config;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Client, answers, chat, hello, room, site};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// The program in a folder of its own, with nothing in its environment but these.
fn program(dir: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("LEPTOS_HASH_FILES", "false").env("HOLDFAST_SITE_DIR", site(dir)).current_dir(dir);
    command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn free_addr() -> SocketAddr {
    format!("127.0.0.1:{}", support::stores::free_port()).parse().expect("an address")
}

/// Ends it and answers all it said.
async fn end(mut child: Child) -> String {
    let pid = child.id().expect("running").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
    let mut said = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut said).await.expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut said).await.expect("text");
    child.wait().await.expect("ends");
    said
}

/// The settings of `.env.example`, as a shell would load them.
fn example() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.env.example");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect("NAME=value");
            assert!(!value.contains([' ', '"', '\'', '#', '$']), "{name}: a shell would read something else");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn the_example_of_all_settings_starts_and_is_the_default() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = example();
    let addr = free_addr();
    let child = {
        let mut command = program(dir.path(), &[]);
        command.envs(settings.clone());
        // Only where: another program may have the usual port and folder.
        command.env("HOLDFAST_ADDR", addr.to_string()).env("HOLDFAST_SITE_DIR", site(dir.path()));
        command.spawn().expect("starts")
    };
    answers(addr).await;
    let ready = reqwest::get(format!("http://{addr}/readyz")).await.expect("an answer");
    assert_eq!(ready.status(), 200, "{}", ready.text().await.unwrap_or_default());
    let said = end(child).await;
    assert!(said.contains("Holdfast is ready"), "{said}");
    // Every setting of the program stands in it, with its default.
    let command = Config::command();
    let known = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env()?.to_str().expect("text").to_owned();
        let default = arg.get_default_values().first().map(|value| value.to_str().expect("text").to_owned());
        Some((name, default.unwrap_or_default()))
    });
    let (mut known, mut named) = (known.collect::<Vec<_>>(), settings);
    known.sort();
    named.sort();
    assert_eq!(named, known);
}

#[tokio::test]
async fn an_empty_setting_is_the_default() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let addr = free_addr();
    let mut command = program(dir.path(), &[]);
    for (name, _) in example() {
        command.env(name, "");
    }
    let child = command
        .env("HOLDFAST_ADDR", addr.to_string())
        .env("HOLDFAST_SITE_DIR", site(dir.path()))
        .env("LEPTOS_WATCH", "")
        .env("LEPTOS_HASH_FILES", "")
        .spawn()
        .expect("starts");
    answers(addr).await;
    let page = reqwest::get(format!("http://{addr}/")).await.expect("an answer");
    let policy = page.headers()["content-security-policy"].to_str().expect("ascii");
    assert!(!policy.contains("ws://127.0.0.1:3001"), "nobody watches: {policy}");
    assert!(end(child).await.contains("Holdfast is ready"));
}

#[tokio::test]
async fn a_mistake_is_named_by_the_variable_it_is_in() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, value, word) in [
        ("HOLDFAST_ADDR", "nonsense", "socket address"),
        ("HOLDFAST_ORIGINS", "meet.example", "not an origin"),
        ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.300", "10.0.0.300"),
        ("HOLDFAST_SEAT_HOURS", "0", "0 is not in 1..=720"),
        ("HOLDFAST_LOG", "loud", "'loud' is none of error, warn"),
        ("HOLDFAST_LOG_JSON", "perhaps", "perhaps"),
        ("HOLDFAST_SECRET_FILE", "/none", "cannot be read"),
        ("HOLDFAST_SECRET_OLD", "short", "fewer than 32"),
        ("TURN_PORTS", "9-1", "first port"),
        ("TURN_ADDR", "here", "socket address"),
        ("TURN_URLS", "relay.example", "does not start with"),
    ] {
        let output = program(dir.path(), &[(name, value)]).output().await.expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}");
        assert!(text.contains(name) && text.contains(word), "{name}: {text}");
    }
    // Whoever wrote a flag is told of the flag.
    let output = program(dir.path(), &[]).args(["--addr", "nonsense"]).output().await.expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("--addr") && !text.contains("HOLDFAST_ADDR"), "{text}");
}

#[tokio::test]
async fn spaces_after_commas_and_secrets_in_files_are_taken() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let addr = free_addr();
    let text = addr.to_string();
    let file = dir.path().join("token");
    std::fs::write(&file, "the-admin-token-from-a-file\n").expect("written");
    let child = program(
        dir.path(),
        &[
            ("HOLDFAST_ADDR", &text),
            ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2"),
            ("HOLDFAST_ORIGINS", "https://meet.example, http://localhost:80"),
            ("TURN_URLS", "stun:a.example, stun:b.example"),
            ("HOLDFAST_LOG", "info, redis=debug"),
            ("HOLDFAST_ADMIN_TOKEN_FILE", file.to_str().expect("text")),
        ],
    )
    .spawn()
    .expect("starts");
    answers(addr).await;
    let overview = reqwest::Client::new().get(format!("http://{addr}/api/v1/admin/overview"));
    let answer = overview.bearer_auth("the-admin-token-from-a-file").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    end(child).await;
}

#[tokio::test]
async fn what_is_kept_is_for_nobody_else_and_logs_hold_no_room_s_code() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let addr = free_addr();
    let data = dir.path().join("new/data");
    let text = addr.to_string();
    let child = program(
        dir.path(),
        &[("HOLDFAST_ADDR", &text), ("HOLDFAST_DATA_DIR", data.to_str().expect("text")), ("HOLDFAST_LOG", "debug")],
    )
    .spawn()
    .expect("starts");
    answers(addr).await;
    let code = "secret-room-code";
    let mut ana = Client::connect(addr).await;
    ana.send(&hello(&room(code), "Ana", None)).await;
    ana.welcome().await;
    ana.send(&chat(1, "hello")).await;
    ana.ack(1).await;
    drop(ana);
    let created = reqwest::Client::new().post(format!("http://{addr}/api/v1/rooms")).send().await.expect("an answer");
    let created: serde_json::Value = created.json().await.expect("JSON");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let said = end(child).await;
    assert!(said.contains("seated"), "{said}");
    assert!(!said.contains(code) && !said.contains(created["room"].as_str().expect("a code")), "{said}");
    let rights = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(rights(&data), 0o700);
    let files: Vec<_> = std::fs::read_dir(&data).expect("a folder").map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in &files {
        assert_eq!(rights(file), 0o600, "{}", file.display());
        // As an older version left it.
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("changed");
    }
    let again = program(dir.path(), &[("HOLDFAST_ADDR", &text), ("HOLDFAST_DATA_DIR", data.to_str().expect("text"))]);
    let child = { again }.spawn().expect("starts");
    answers(addr).await;
    assert_eq!(rights(&data.join("holdfast.redb")), 0o600);
    end(child).await;
}

/// A full disk, as the kernel tells it: no file may grow past this.
#[tokio::test]
async fn a_full_disk_is_told_to_monitors_and_newcomers_and_goes_by_itself() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let addr = free_addr();
    let command = program(dir.path(), &[]);
    let shell = {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -S -f 3000; exec \"$0\"", PROGRAM]);
        for (name, value) in command.as_std().get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        shell.env("HOLDFAST_ADDR", addr.to_string()).current_dir(dir.path());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("starts")
    };
    answers(addr).await;
    let ready = || async {
        let answer = reqwest::get(format!("http://{addr}/readyz")).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("JSON"))
    };
    assert_eq!(ready().await.0, 200, "{}", ready().await.1);
    let (mut ana, until) = (Client::connect(addr).await, Instant::now() + Duration::from_secs(60));
    ana.send(&hello(&room("full"), "Ana", None)).await;
    ana.welcome().await;
    // One refusal is not a full disk: the file is opened anew after it, and some holes come back.
    let (mut seed, mut refusals) = (1, 0);
    while refusals < 5 {
        assert!(Instant::now() < until, "the disk did not fill up");
        ana.send(&chat(seed, &"x".repeat(3_900))).await;
        let refused = ana
            .until(|msg| match msg {
                ServerMsg::Ack { .. } => Some(None),
                ServerMsg::Refused { code, .. } => Some(Some(code)),
                _ => None,
            })
            .await;
        match refused {
            None => (seed, refusals) = (seed + 1, 0),
            Some(Refusal::TooFast | Refusal::Busy) => tokio::time::sleep(Duration::from_millis(100)).await,
            Some(code) => {
                assert_eq!(code, Refusal::LogAway);
                refusals += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, body) = ready().await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("it cannot be written: ") && body.contains("File too large"), "{body}");
    let traffic = reqwest::get(format!("http://{addr}/trafficz")).await.expect("an answer");
    assert_eq!(traffic.status(), 200, "the call goes on, and no other node is better off");
    let mut bo = Client::connect(addr).await;
    bo.send(&hello(&room("full"), &"Bo".repeat(20), None)).await;
    let told =
        bo.until(|msg| if let ServerMsg::Refused { code, about } = msg { Some((code, about)) } else { None }).await;
    assert_eq!(told, (Refusal::LogAway, None), "a newcomer hears why");
    assert_eq!(bo.closed().await.0, CloseCode::Later.number());
    let pid = shell.id().expect("running").to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().await.expect("runs");
    assert!(lifted.success());
    let until = Instant::now() + Duration::from_secs(20);
    while ready().await.0 != 200 {
        assert!(Instant::now() < until, "there is space, and it is not noticed");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    end(shell).await;
}

/// The upgrade's status, asked by a page of this origin under this name.
async fn knock(addr: SocketAddr, host: &str, origin: &str) -> u16 {
    let mut request = support::handshake(addr);
    for (name, value) in [("host", host), ("origin", origin)] {
        request.headers_mut().insert(name, value.parse().expect("ascii"));
    }
    support::upgrade_status(request).await
}

#[tokio::test]
async fn whoever_is_refused_for_a_setting_leaves_one_line_with_both_values() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (origins, host, origin) in [
        ("https://meet.example", "127.0.0.1:3000", "https://www.meet.example"),
        ("", "meet.example", "https://meet.example"),
    ] {
        let addr = free_addr();
        let text = addr.to_string();
        let env = [("HOLDFAST_ADDR", text.as_str()), ("HOLDFAST_ORIGINS", origins)];
        let child = program(dir.path(), &env).spawn().expect("starts");
        answers(addr).await;
        for _ in 0..5 {
            assert_eq!(knock(addr, host, origin).await, 403);
            let page = reqwest::Client::new().get(format!("http://{addr}/")).header("host", host).send().await;
            assert_eq!(page.expect("an answer").status(), if origins.is_empty() { 421 } else { 200 });
        }
        let said = end(child).await;
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("may not connect")).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(host) && lines[0].contains(origin), "{lines:?}");
        let names = said.lines().filter(|line| line.contains("without HOLDFAST_ORIGINS")).count();
        assert_eq!(names, usize::from(origins.is_empty()), "{said}");
    }
}
