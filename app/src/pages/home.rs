//! The first page: what it is, start a call, join one. Plain forms, so that it works before or without the client.

use crate::components::header::Header;
use crate::components::icon::{Glyph, Icon};
use leptos::prelude::*;

/// `/`.
#[component]
pub(crate) fn HomePage(
    /// Somebody came back from 'Join' with a code that is none.
    unknown: bool,
    /// What they had typed.
    typed: String,
) -> impl IntoView {
    view! {
        <div class="home">
            <Header />
            <main class="home-main">
                <div>
                    <h1>"Video calls that hold on"</h1>
                    <p class="lead">
                        "Meet up to eight people in the browser. When a network drops or a laptop sleeps, the call comes back by itself, and no message is lost."
                    </p>
                </div>
                <div class="home-actions">
                    <form method="post" action="/new">
                        <button class="button primary" type="submit"><Icon glyph=Glyph::Camera />"Start a call"</button>
                        <label class="check home-hide">
                            <input type="checkbox" name="hide" value="1" />
                            "Hide addresses: everything goes through a relay"
                        </label>
                    </form>
                    <span class="home-or">"or"</span>
                    <form class="home-join" method="get" action="/join">
                        <label class="field">
                            <span>"Code or link"</span>
                            <input
                                class="input"
                                name="code"
                                value=typed
                                required
                                maxlength="400"
                                placeholder="kavot-imure-sakem"
                                autocomplete="off"
                                autocapitalize="none"
                                spellcheck="false"
                            />
                        </label>
                        <button class="button plain" type="submit">"Join"</button>
                    </form>
                </div>
                <p class="note" role="alert" hidden=!unknown>
                    "That is not a room's code or link. A code looks like kavot-imure-sakem."
                </p>
                <ul class="home-points">
                    <li>
                        <strong><Icon glyph=Glyph::Shield />"From person to person"</strong>
                        <span>"Picture and sound go directly between browsers, encrypted."</span>
                    </li>
                    <li>
                        <strong><Icon glyph=Glyph::Again />"Comes back by itself"</strong>
                        <span>"Same seat, same settings, no clicks, also after a reload."</span>
                    </li>
                    <li>
                        <strong><Icon glyph=Glyph::Chat />"Every message counts"</strong>
                        <span>"Chat is stored before it is confirmed, once and in order."</span>
                    </li>
                </ul>
            </main>
            <footer class="home-foot">"No account, nothing to install. "<a href="/check">"Check your connection"</a></footer>
        </div>
    }
}
