//! The pages of Holdfast: compiled unchanged for the server, which renders them, and the browser, which brings them to life.
//!
//! Nothing here knows a socket, a stream or a database. The call comes in through [`call::Call`], and streams are
//! attached by element id ([`dom`]).

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

pub mod call;
mod components;
pub mod dom;
mod pages;

use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, Link, Meta, MetaTags, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};
use pages::home::HomePage;
use pages::not_found::NotFoundPage;
use pages::room::RoomPage;

/// The HTML document around the app.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
                <AutoReload options=options.clone() />
                <HydrationScripts options=options.clone() />
                <HashedStylesheet options id="leptos" />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Every page, as a table of contents.
#[component]
#[must_use]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Link rel="icon" type_="image/svg+xml" href="/favicon.svg" />
        <Meta name="color-scheme" content="light dark" />
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=HomePage ssr=SsrMode::Async />
                <Route path=path!("/r/:room") view=RoomPage ssr=SsrMode::Async />
            </Routes>
        </Router>
    }
}
