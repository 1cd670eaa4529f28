//! The icons, drawn inline so that none has to be fetched.

use leptos::prelude::*;

/// Which picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyph {
    Again,
    Brand,
    Camera,
    CameraOff,
    Chat,
    Close,
    Copy,
    Help,
    Microphone,
    MicrophoneOff,
    Send,
    Settings,
    Shield,
}

impl Glyph {
    const fn path(self) -> &'static str {
        match self {
            Self::Again => "M20 11a8 8 0 0 0-14.3-4.3L3 9m0-5v5h5M4 13a8 8 0 0 0 14.3 4.3L21 15m0 5v-5h-5",
            Self::Brand => "M6 4v16M18 4v16M6 12h12",
            Self::Camera => "M4 6h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM15 11l7-4v10l-7-4",
            Self::CameraOff => {
                "M3 3l18 18M15 11l7-4v10l-3-1.7M10 6h3a2 2 0 0 1 2 2v3M15 16a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2"
            }
            Self::Chat => "M21 12a8 8 0 0 1-8 8H4l2-3a8 8 0 1 1 15-5z",
            Self::Close => "M6 6l12 12M18 6L6 18",
            Self::Copy => {
                "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1zM5 15H4V4a1 1 0 0 1 1-1h10v1"
            }
            Self::Help => "M9.2 9a3 3 0 1 1 4.2 2.8c-.9.4-1.4 1-1.4 2.2M12 17.5v.1M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
            Self::Microphone => "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3",
            Self::MicrophoneOff => {
                "M3 3l18 18M9 9v2a3 3 0 0 0 4.8 2.4M15 10V6a3 3 0 0 0-5.7-1.3M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.8M12 18v3"
            }
            Self::Send => "M4 12l16-8-5 16-3-7z",
            Self::Settings => {
                "M4 7h10M18 7h2M4 17h2M10 17h10M14 7a2 2 0 1 0 4 0 2 2 0 0 0-4 0zM6 17a2 2 0 1 0 4 0 2 2 0 0 0-4 0z"
            }
            Self::Shield => "M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM9 12l2 2 4-4",
        }
    }
}

/// A picture beside or instead of words; the words are said elsewhere.
#[component]
pub(crate) fn Icon(#[prop(into)] glyph: Signal<Glyph>) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=move || glyph.get().path()></path>
        </svg>
    }
}
