//! The pages of Holdfast: compiled unchanged for the server, which renders them, and the browser, which brings them to life.
//!
//! Nothing here knows a socket, a stream or a database. The call comes in through [`call::Call`], and streams are
//! attached by element id ([`dom`]).

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

pub mod address;
pub mod call;
mod components;
pub mod dom;
pub mod pages;
mod weight;

use address::{Address, Page};
use holdfast::session::Opener;
use leptos::prelude::*;
use leptos_meta::HashedStylesheet;
use pages::check::CheckPage;
use pages::home::HomePage;
use pages::not_found::NotFoundPage;
use pages::room::RoomPage;
use weight::served;

/// The HTML document around a page, which carries who brought it up. Runs on the server only.
#[must_use]
pub fn shell(options: LeptosOptions, address: Address, opener: Opener) -> impl IntoView {
    let index = if address.page.is_public() { "index" } else { "noindex" };
    view! {
        <!DOCTYPE html>
        <html lang="en" data-opener=opener.as_str()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content=index />
                <meta
                    name="description"
                    content="Video calls for two to eight people that survive dropped networks, restarts and reloads."
                />
                <title>{address.page.title()}</title>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <AutoReload options=options.clone() />
                <HydrationScripts options=options.clone() />
                <HashedStylesheet options id="leptos" />
            </head>
            <body>
                <App address />
            </body>
        </html>
    }
}

/// Every page, as a table of contents. Pages are loaded whole, so there is no router: a link is a link.
#[component]
#[must_use]
pub fn App(
    /// Which page, as both sides read it from the URL.
    address: Address,
) -> impl IntoView {
    let Address { page, query } = address;
    match page {
        Page::Home => served(
            view! { <HomePage unknown=query.get("unknown").is_some() typed=query.get("code").unwrap_or_default() /> },
        ),
        Page::Check => served(view! { <CheckPage waits=query.get("wait").is_some() /> }),
        Page::Room(room) => {
            let name = query.get("name").unwrap_or_default();
            let join = query.get("join").is_some_and(|text| text == "1");
            served(view! { <RoomPage room name join /> })
        }
        Page::NotFound => served(view! { <NotFoundPage /> }),
    }
}
