//! The operator's page: everything at a glance, and buttons to put right what went wrong. Rendered on the server only; it
//! needs no script and looks again by itself.

use leptos::prelude::*;
use leptos_meta::HashedStylesheet;

/// What the page shows, as plain data.
#[derive(Clone, Debug, Default)]
pub struct AdminView {
    /// Nodes: name, sockets, rooms and seats, whether it is the one that answers.
    pub nodes: Vec<(String, [u64; 3], bool)>,
    /// Rooms in memory of the node that answers.
    pub rooms: Vec<String>,
    /// Their seats.
    pub seats: u64,
    /// Entries that are not in the archive yet, how long the oldest has waited in milliseconds, dead letters.
    pub queue: Option<(u64, u64, u64)>,
    /// Log and archive: name, whether it answers, what it is, its breaker.
    pub stores: Vec<(String, bool, String, Option<String>)>,
    /// What happened so far, in words and numbers.
    pub counts: Vec<(&'static str, u64)>,
    /// Dead letters: key, attempts, first error, last error, payload.
    pub dead: Vec<(String, u32, String, String, String)>,
    /// Clock of the server.
    pub now: String,
}

/// The whole document; the form that asks for the token where `view` is none.
#[must_use]
pub fn admin_document(options: LeptosOptions, view: Option<AdminView>, refused: bool) -> String {
    let refresh = view.is_some().then(|| view! { <meta http-equiv="refresh" content="3" /> });
    let body = match view {
        Some(view) => view! { <Figures view /> }.into_any(),
        None => view! { <AskToken refused /> }.into_any(),
    };
    let document = view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content="noindex" />
                {refresh}
                <title>"Holdfast: operation"</title>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <HashedStylesheet options id="leptos" />
            </head>
            <body>
                <main class="admin">{body}</main>
            </body>
        </html>
    };
    document.to_html()
}

#[component]
fn AskToken(refused: bool) -> impl IntoView {
    view! {
        <h1>"Operation"</h1>
        <form method="post" action="/admin" class="admin-ask">
            <label for="token">"Admin token"</label>
            <input class="input" type="password" id="token" name="token" autocomplete="current-password" required autofocus />
            {refused.then(|| view! { <p role="alert">"That is not the token."</p> })}
            <button class="button primary" type="submit">"Show"</button>
        </form>
    }
}

#[component]
fn Figures(view: AdminView) -> impl IntoView {
    let AdminView { nodes, rooms, seats, queue, stores, counts, dead, now } = view;
    let (depth, oldest_ms, letters) = queue.unwrap_or_default();
    let bad = queue.is_none() || letters != 0;
    view! {
        <h1>"Operation"</h1>
        <p class="admin-now">"As of "{now}", looked at every 3 seconds"</p>
        <form method="post" action="/admin/out">
            <button class="button plain" type="submit">"Log out"</button>
        </form>
        <section aria-label="Stores" class="admin-cards">
            {stores
                .into_iter()
                .map(|(name, answers, detail, breaker)| {
                    view! {
                        <div class="admin-card" class:bad=!answers>
                            <h2>{name}</h2>
                            <p>{if answers { "answers" } else { "does not answer" }}</p>
                            <p>{detail}</p>
                            {breaker.map(|state| view! { <p>"breaker "{state}</p> })}
                        </div>
                    }
                })
                .collect_view()}
            <div class="admin-card" class:bad=bad>
                <h2>"queue"</h2>
                {if queue.is_some() {
                    view! { <p>{depth}" waiting, the oldest for "{oldest_ms / 1_000}" s"</p> }.into_any()
                } else {
                    view! { <p>"does not answer"</p> }.into_any()
                }}
                <p>{letters}" laid aside"</p>
            </div>
        </section>
        <section aria-label="Nodes">
            <h2>"Nodes"</h2>
            <table>
                <thead>
                    <tr>
                        <th>"Node"</th>
                        <th>"Sockets"</th>
                        <th>"Rooms"</th>
                        <th>"Seats"</th>
                    </tr>
                </thead>
                <tbody>
                    {nodes
                        .into_iter()
                        .map(|(node, load, me)| {
                            view! {
                                <tr>
                                    <td>{node}{me.then_some(" (this one)")}</td>
                                    {load.map(|n| view! { <td>{n}</td> }).collect_view()}
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
            <p>"Rooms in memory here: "{rooms.len()}", seats in them: "{seats}</p>
            <p>{rooms.join(", ")}</p>
        </section>
        <section aria-label="Counts">
            <h2>"Since the start of this node"</h2>
            <table>
                <tbody>
                    {counts.into_iter().map(|(name, n)| view! { <tr><td>{name}</td><td>{n}</td></tr> }).collect_view()}
                </tbody>
            </table>
        </section>
        <section aria-label="Dead letters">
            <h2>"Dead letters"</h2>
            {if dead.is_empty() {
                view! { <p>"None."</p> }.into_any()
            } else {
                view! {
                    <form method="post" action="/admin/dead" class="admin-buttons">
                        <button class="button" type="submit" name="act" value="replay">"Replay all"</button>
                        <button class="button" type="submit" name="act" value="discard">"Discard all"</button>
                    </form>
                    <ul class="admin-dead">{dead.into_iter().map(|letter| view! { <Letter letter /> }).collect_view()}</ul>
                }
                    .into_any()
            }}
        </section>
    }
}

#[component]
fn Letter(letter: (String, u32, String, String, String)) -> impl IntoView {
    let (key, attempts, first, last, payload) = letter;
    view! {
        <li>
            <p><b>{key.clone()}</b>", refused "{attempts}" times"</p>
            <p>"first: "{first}</p>
            <p>"last: "{last}</p>
            <pre>{payload}</pre>
            <form method="post" action="/admin/dead" class="admin-buttons">
                <input type="hidden" name="key" value=key />
                <button class="button" type="submit" name="act" value="replay">"Replay"</button>
                <button class="button" type="submit" name="act" value="discard">"Discard"</button>
            </form>
        </li>
    }
}
