//! Small helpers for values of JavaScript.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// A property, or undefined.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// Whether an object has a property that is neither null nor undefined.
pub(crate) fn has(object: &JsValue, name: &str) -> bool {
    let value = get(object, name);
    !value.is_undefined() && !value.is_null()
}

/// The name of an error, such as `NotAllowedError`.
pub(crate) fn error_name(error: &JsValue) -> String {
    get(error, "name").as_string().unwrap_or_default()
}

/// Sets properties of a fresh object.
pub(crate) fn object(entries: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (name, value) in entries {
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}
