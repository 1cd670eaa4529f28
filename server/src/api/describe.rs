//! What every operation of the API has in common, added to its description: who may ask, and what can go wrong.

use super::problem::{Problem, ProblemBody};
use std::collections::BTreeMap;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response};
use utoipa::{Modify, ToSchema};

/// Completes the description.
pub struct Common;

impl Modify for Common {
    fn modify(&self, doc: &mut OpenApi) {
        let components = doc.components.get_or_insert_with(Components::new);
        for (name, description) in
            [("operator", "The setting HOLDFAST_ADMIN_TOKEN."), ("seat", "The token of a seat, from `welcome`.")]
        {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
        for (path, item) in &mut doc.paths.paths {
            let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in all.into_iter().flatten() {
                complete(path, operation);
            }
        }
    }
}

fn complete(path: &str, operation: &mut Operation) {
    let mut problems = vec![
        Problem::BadParameter,
        Problem::TooLarge,
        Problem::TooManyRequests,
        Problem::Internal,
        Problem::StoreAway,
        Problem::Draining,
        Problem::HostRefused,
        Problem::CrossSite,
    ];
    let is_operators = path.starts_with("/api/v1/admin/");
    if path.contains("{room}") {
        problems.push(Problem::BadRoom);
    }
    if operation.request_body.is_some() {
        problems.push(Problem::MediaType);
    }
    if is_operators {
        problems.extend([Problem::NotAdmin, Problem::NotFound]);
        operation.security = Some(vec![SecurityRequirement::new("operator", Vec::<String>::new())]);
    }
    match operation.operation_id.as_deref() {
        Some("show" | "messages" | "set_room") => problems.push(Problem::NoSuchRoom),
        Some("rooms") => problems.push(Problem::BadRoom),
        Some("ice") => {
            problems.push(Problem::NoSeat);
            operation.security = Some(vec![SecurityRequirement::new("seat", Vec::<String>::new())]);
        }
        _ => {}
    }
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for problem in problems {
        let (status, code, title) = problem.parts();
        by_status.entry(status.as_u16()).or_default().push(format!("`{code}`: {title}"));
    }
    for (status, sentences) in by_status {
        let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name(ProblemBody::name()))));
        let response = Response::builder().description(sentences.join(" ")).content("application/problem+json", body);
        operation.responses.responses.insert(status.to_string(), RefOr::T(response.build()));
    }
}
