//! Which camera, microphone and speaker to use.

use crate::call::use_call;
use holdfast::session::Intent;
use holdfast::view::{Device, MediaKind};
use leptos::prelude::*;

/// Three lists; the speakers only where the browser lets one choose.
#[component]
pub(crate) fn DeviceList() -> impl IntoView {
    let call = use_call();
    let devices = call.memo(|view| view.devices.clone());
    let pick = move |kind| move |id| call.send(Intent::ChooseDevice(kind, id));
    view! {
        <div class="device-list">
            <Picker
                label="Camera"
                devices=Signal::derive(move || devices.read().cameras.clone())
                chosen=Signal::derive(move || devices.read().camera.clone())
                on_pick=Callback::new(pick(MediaKind::Video))
            />
            <Picker
                label="Microphone"
                devices=Signal::derive(move || devices.read().microphones.clone())
                chosen=Signal::derive(move || devices.read().microphone.clone())
                on_pick=Callback::new(pick(MediaKind::Audio))
            />
            <Show when=move || !devices.read().speakers.is_empty()>
                <Picker
                    label="Speaker"
                    devices=Signal::derive(move || devices.read().speakers.clone())
                    chosen=Signal::derive(move || devices.read().speaker.clone())
                    on_pick=Callback::new(move |id| call.send(Intent::ChooseSpeaker(id)))
                />
            </Show>
        </div>
    }
}

#[component]
fn Picker(
    label: &'static str,
    devices: Signal<Vec<Device>>,
    chosen: Signal<String>,
    on_pick: Callback<String>,
) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <select
                class="input"
                disabled=move || devices.read().is_empty()
                on:change=move |ev| on_pick.run(event_target_value(&ev))
            >
                <Show when=move || devices.read().is_empty()>
                    <option>"None found"</option>
                </Show>
                <For each=move || devices.get() key=|device| (device.id.clone(), device.label.clone()) let(device)>
                    {
                        let id = device.id.clone();
                        view! {
                            <option value=device.id.clone() prop:selected=move || *chosen.read() == id>
                                {device.label.clone()}
                            </option>
                        }
                    }
                </For>
            </select>
        </label>
    }
}
