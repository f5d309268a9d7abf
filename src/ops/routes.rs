//! Every path of the private listener, as a table.

use actix_web::http::Method;
use percent_encoding::percent_decode_str;

use super::fault::Fault;

/// The description of the admin API (OpenAPI 3.1), kept by hand.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// What a path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Health,
    Ready,
    Metrics,
    Description,
    Stats,
    Sources,
    Backfill,
    Audit,
    Events,
    Event,
    DeadLetters,
    DeadLetter,
    Withheld,
    Lane,
    Incidents,
    Dismiss,
    Replay,
    DiscardDead,
    Release,
    DiscardWithheld,
    Pause,
    Resume,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// `GET` (`HEAD` goes with it) or `POST`.
    pub(super) method: &'static str,
    /// The path; a segment in braces is a parameter, at most one.
    pub(super) path: &'static str,
    /// What it does.
    pub(super) act: Act,
}

const fn get(path: &'static str, act: Act) -> Route {
    Route { method: "GET", path, act }
}

const fn post(path: &'static str, act: Act) -> Route {
    Route { method: "POST", path, act }
}

/// Every path. One path has one method.
pub(super) const ROUTES: &[Route] = &[
    get("/healthz", Act::Health),
    get("/readyz", Act::Ready),
    get("/metrics", Act::Metrics),
    get("/admin/v1/openapi.json", Act::Description),
    get("/admin/v1/stats", Act::Stats),
    get("/admin/v1/sources", Act::Sources),
    post("/admin/v1/sources/{name}/backfill", Act::Backfill),
    get("/admin/v1/audit", Act::Audit),
    get("/admin/v1/events", Act::Events),
    get("/admin/v1/events/{id}", Act::Event),
    get("/admin/v1/dead-letters", Act::DeadLetters),
    post("/admin/v1/dead-letters/replay", Act::Replay),
    post("/admin/v1/dead-letters/discard", Act::DiscardDead),
    get("/admin/v1/dead-letters/{id}", Act::DeadLetter),
    get("/admin/v1/withheld", Act::Withheld),
    post("/admin/v1/withheld/release", Act::Release),
    post("/admin/v1/withheld/discard", Act::DiscardWithheld),
    get("/admin/v1/lanes/{externalRef}", Act::Lane),
    get("/admin/v1/incidents", Act::Incidents),
    post("/admin/v1/incidents/dismiss", Act::Dismiss),
    post("/admin/v1/pause", Act::Pause),
    post("/admin/v1/resume", Act::Resume),
];

/// A line of the table that a request has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) route: Route,
    /// The parameter, decoded; empty where the path has none.
    pub(super) parameter: String,
}

impl Route {
    /// The first line whose path is like `path`.
    pub(super) fn of(method: &Method, path: &str) -> Result<Routed, Fault> {
        let found = ROUTES.iter().find_map(|route| Some((*route, route.parameter(path)?)));
        let (route, parameter) = found.ok_or(Fault::Path)?;
        let asked = if *method == Method::HEAD { "GET" } else { method.as_str() };
        if asked == route.method { Ok(Routed { route, parameter }) } else { Err(Fault::Method(route.method)) }
    }

    /// The parameter's value when `path` is like this line's.
    fn parameter(&self, path: &str) -> Option<String> {
        let Some((before, rest)) = self.path.split_once('{') else { return (self.path == path).then(String::new) };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let segment = path.strip_prefix(before)?.strip_suffix(after)?;
        let segment = Some(segment).filter(|segment| !segment.is_empty() && !segment.contains('/'))?;
        Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn found(path: &str) -> (Act, String) {
        let method = ROUTES.iter().find(|route| route.parameter(path).is_some()).unwrap().method;
        let Routed { route, parameter } = Route::of(&method.parse().unwrap(), path).unwrap();
        (route.act, parameter)
    }

    #[test]
    fn a_path_finds_its_line_and_its_parameter() {
        assert_eq!(found("/admin/v1/events"), (Act::Events, String::new()));
        assert_eq!(found("/admin/v1/dead-letters/replay"), (Act::Replay, String::new()));
        assert_eq!(found("/admin/v1/dead-letters/00ff"), (Act::DeadLetter, "00ff".into()));
        assert_eq!(found("/admin/v1/sources/meta/backfill"), (Act::Backfill, "meta".into()));
        assert_eq!(found("/admin/v1/lanes/wa%3A1:62"), (Act::Lane, "wa:1:62".into()));
    }

    #[test]
    fn another_method_or_path_is_said_to_be_one() {
        assert!(matches!(Route::of(&Method::GET, "/admin/v1/pause"), Err(Fault::Method("POST"))));
        assert!(matches!(Route::of(&Method::DELETE, "/admin/v1/events/1"), Err(Fault::Method("GET"))));
        assert!(Route::of(&Method::HEAD, "/healthz").is_ok());
        for nothing in [
            "/",
            "/hooks/form",
            "/admin/v1/events/",
            "/admin/v1/events/a/b",
            "/admin/v1/sources//backfill",
            "/admin/v1/lanes/%ff",
        ] {
            assert!(matches!(Route::of(&Method::GET, nothing), Err(Fault::Path)), "{nothing}");
        }
    }

    #[test]
    fn the_description_has_every_path_of_the_api_and_no_other() {
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let described: BTreeSet<_> = description["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys().filter(|key| *key != "parameters");
                methods.map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routed = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
        assert_eq!(described, routed);
    }
}
