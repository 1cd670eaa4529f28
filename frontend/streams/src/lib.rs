//! Takes the place of the crate of this name. Leptos brings it along for server functions that stream, of which Holdfast
//! has none; as it exports classes to JavaScript, no linker can leave them out, and every first visit would pay 5 kB. What is
//! not there fails loudly: an empty stream would hide it.

use futures::Stream;
use futures::stream::Empty;
use wasm_bindgen::JsValue;

/// A stream of the browser.
#[derive(Debug)]
pub struct ReadableStream(web_sys::ReadableStream);

impl ReadableStream {
    /// Wraps one.
    #[must_use]
    pub const fn from_raw(raw: web_sys::ReadableStream) -> Self {
        Self(raw)
    }

    /// Gives it back.
    #[must_use]
    pub fn into_raw(self) -> web_sys::ReadableStream {
        self.0
    }

    /// There is nothing that would be sent this way.
    ///
    /// # Panics
    /// Always.
    pub fn from_stream<S>(_: S) -> Self
    where
        S: Stream<Item = Result<JsValue, JsValue>> + 'static,
    {
        unimplemented!("server functions do not stream here: use the crate itself")
    }

    /// There is nothing that would be read this way.
    ///
    /// # Panics
    /// Always.
    pub fn into_stream(self) -> Empty<Result<JsValue, JsValue>> {
        unimplemented!("server functions do not stream here: use the crate itself")
    }
}
