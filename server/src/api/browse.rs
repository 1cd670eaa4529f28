//! The API's description: as OpenAPI for programs, as a page for people.

use super::ApiDoc;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;
use std::fmt::Write;
use utoipa::OpenApi;

/// `GET /api/v1/openapi.json`.
pub async fn openapi() -> Response {
    match ApiDoc::openapi().to_json() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => super::problem::Problem::Internal.into_response(),
    }
}

/// `GET /api/v1/docs`: the same, to read.
pub async fn page() -> Html<String> {
    let doc = serde_json::to_value(ApiDoc::openapi()).unwrap_or_default();
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Holdfast API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/api.css\"></head><body><main>",
    );
    let info = &doc["info"];
    let _ = write!(
        out,
        "<h1>{} API {}</h1><p>{}</p>",
        text(&info["title"]),
        text(&info["version"]),
        text(&info["description"])
    );
    out.push_str("<p><a href=\"/api/v1/openapi.json\">openapi.json</a></p>");
    for (path, methods) in doc["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            write_operation(&mut out, path, method, operation);
        }
    }
    out.push_str("<h2>Shapes</h2>");
    for (name, schema) in doc["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(out, "<h3 id=\"{0}\">{0}</h3><dl>", escape(name));
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            let _ = write!(
                out,
                "<dt><code>{}</code> {}</dt><dd>{}</dd>",
                escape(field),
                kind(of),
                text(&of["description"])
            );
        }
        out.push_str("</dl>");
    }
    out.push_str("</main></body></html>");
    Html(out)
}

fn write_operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(out, "<section><h2><code>{} {}</code></h2>", escape(&method.to_uppercase()), escape(path));
    let _ = write!(out, "<p>{}</p><p>{}</p>", text(&operation["summary"]), text(&operation["description"]));
    out.push_str("<dl>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let _ = write!(out, "<dt><code>{name}</code> in {place}</dt><dd>{}</dd>", text(&parameter["description"]));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let shape = response["content"].as_object().and_then(|kinds| kinds.values().next());
        let _ = write!(
            out,
            "<dt><code>{}</code></dt><dd>{}</dd>",
            escape(status),
            shape.map(|s| kind(&s["schema"])).unwrap_or_default()
        );
    }
    out.push_str("</dl></section>");
}

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    match &schema["type"] {
        Value::String(name) => escape(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(escape).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
