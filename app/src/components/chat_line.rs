//! One chat message. What people wrote is shown as text; only web addresses become links.

use crate::call::use_call;
use crate::weight::later;
use holdfast::session::Intent;
use holdfast::view::{ChatLine, ChatStatus, Piece, clock_text, day_of, day_text, machine_time, pieces};
use leptos::prelude::*;

/// A message with its author, time and whether it is stored, under its day where one begins with it.
#[component]
pub(crate) fn Line(line: ChatLine, begins: bool, focus_log: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let call = use_call();
    let offset_min = (call.offset_min)(line.at);
    let (day, time) = (day_text(day_of(line.at, offset_min)), clock_text(line.at, offset_min));
    let title = format!("{day}, {time}");
    let body = pieces(&line.text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => later(text),
            Piece::Link(address) => {
                let href = address.clone();
                later(view! { <a href=href target="_blank" rel="noopener noreferrer nofollow">{address}</a> })
            }
        })
        .collect_view();
    // The buttons go with the failure: the focus stays in the log.
    let answer = move |intent| {
        focus_log();
        call.send(intent);
    };
    let (waits, failed, id) = (line.status() == ChatStatus::Pending, line.failed, line.id);
    view! {
        <div class="msg" data-day=if begins { day } else { String::new() } class:mine=line.mine data-msg=line.id.to_string() data-status=line.status().as_str()>
            <p class="msg-head">
                <b>{if line.mine { "You".to_owned() } else { line.author() }}</b>
                <time datetime=machine_time(line.at) title=title>{time}</time>
            </p>
            <p class="msg-body" dir="auto">{body}</p>
            {waits.then(|| view! { <p class="msg-wait">"Not stored yet"</p> })}
            {failed
                .then(|| {
                    view! {
                        <p class="msg-wait">
                            "Could not be sent. "
                            <button type="button" class="link" on:click=move |_| answer(Intent::SayAgain(id))>"Try again"</button>
                            " "
                            <button type="button" class="link" on:click=move |_| answer(Intent::Unsay(id))>"Discard"</button>
                        </p>
                    }
                })}
        </div>
    }
}
