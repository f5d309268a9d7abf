//! The description of the Agent API, OpenAPI 3.1, made from what reads the calls and what they answer.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr,
    Required, Response, ResponseBuilder,
};

use super::answers::{
    Campaign, Failure, Pagination, Stage, Summary, SyncCounts, TicketShown, Unsynced, WorkspaceShown,
};
use super::calls::{CALLS, Call, Kind};
use super::lead::{Body, CreatedLead, UpdatedLead, WholeLead, body};
use super::period::Span;
use super::query::Query;
use super::ticket::Ticket;

/// The name of the way in.
const BEARER: &str = "bearer";

const JSON: &str = "application/json";

/// Every example of the contract, by the name of its call. Addresses, which are blotted out there, are made up.
const EXAMPLES: &str = include_str!("examples.json");

/// The description, as it is served.
pub(in crate::sandbox) fn document() -> String {
    described().to_json().expect("a description is JSON")
}

fn described() -> OpenApi {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("the examples are JSON");
    let mut parts = Parts(Vec::new());
    let paths = CALLS.iter().fold(PathsBuilder::new(), |paths, call| {
        let example = &examples[call.kind.to_string()];
        let operation = parts.operation(call, example);
        paths.path(format!("/api/v2/agent/{}", call.path), PathItem::new(method(call), operation))
    });
    let paths = paths.path("/api/v2/agent/SKILL.md", PathItem::new(HttpMethod::Get, skill()));
    let about = "Made from the code of the sandbox. What it decides where the contract is silent is in SKILL.md.";
    let info = InfoBuilder::new().title("Konektor Agent API, as the sandbox plays it").version("2.2.0");
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A key of a workspace.")).build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(parts.0)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(info.description(Some(about)).build())
        .paths(paths.build())
        .components(Some(components))
        .build()
}

/// The schemas that are referred to, as they come up.
struct Parts(Vec<(String, RefOr<Schema>)>);

impl Parts {
    /// A reference to `T`.
    fn of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.0.push((T::name().into(), T::schema()));
        T::schemas(&mut self.0);
        Ref::from_schema_name(T::name()).into()
    }

    fn list_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        ArrayBuilder::new().items(self.of::<T>()).into()
    }

    fn operation(&mut self, call: &Call, example: &Value) -> Operation {
        let kind = call.kind;
        let success = answer(self.success(kind), &example["answer"]).description(call.about);
        let success = if kind == Kind::Create { with_links(success) } else { success };
        let mut operation = OperationBuilder::new()
            .operation_id(Some(kind.to_string()))
            .tag(call.path.split('/').next().unwrap_or_default())
            .summary(Some(call.about))
            .description(Some(format!("Needs a key with the scope `{}`.", call.scope)))
            .security(SecurityRequirement::new(BEARER, [] as [&str; 0]))
            .parameters(Some(parameters(call)))
            .request_body(request_body(kind, &example["body"]))
            .response(if is_creating(kind) { "201" } else { "200" }, success.build());
        for (status, about) in refusals(call) {
            operation = operation.response(status, self.refusal(status, about));
        }
        operation.build()
    }

    /// The whole body of the answer to a call that was done.
    fn success(&mut self, kind: Kind) -> Object {
        let object = ObjectBuilder::new().property("success", always(true)).required("success").required("data");
        let object = match kind {
            Kind::List => object
                .property("data", self.list_of::<WholeLead>())
                .property("pagination", self.of::<Pagination>())
                .required("pagination"),
            Kind::Get => object.property("data", self.of::<WholeLead>()),
            Kind::Create => object.property("data", self.of::<CreatedLead>()),
            Kind::Update => object.property("data", self.of::<UpdatedLead>()),
            Kind::Summary => object.property("data", self.of::<Summary>()),
            Kind::Funnel => object.property("data", self.list_of::<Stage>()),
            Kind::Campaigns => object.property("data", self.list_of::<Campaign>()),
            Kind::ConversionStatus => object.property("data", self.of::<SyncCounts>()),
            Kind::ConversionPending => object.property("data", self.list_of::<Unsynced>()),
            Kind::Workspace => object.property("data", self.of::<WorkspaceShown>()),
            Kind::Ticket => object.property("data", self.of::<TicketShown>()),
        };
        object.build()
    }

    fn refusal(&mut self, status: &str, about: &str) -> Response {
        let response = answer(self.of::<Failure>(), &Value::Null).description(about);
        match status {
            "429" => response.header("Retry-After", header(Type::Integer, "Seconds to wait.")),
            _ => response,
        }
        .build()
    }
}

/// The one call that is no JSON: the API told to a language model. Needs no key.
fn skill() -> Operation {
    let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
    let told = ResponseBuilder::new().description("The API, as a text").content("text/markdown", text);
    OperationBuilder::new()
        .operation_id(Some("skill"))
        .tag("skill")
        .summary(Some("The API told in Markdown"))
        .description(Some("Needs no key."))
        .response("200", told.build())
        .build()
}

fn method(call: &Call) -> HttpMethod {
    match call.method {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        _ => HttpMethod::Get,
    }
}

const fn is_creating(kind: Kind) -> bool {
    matches!(kind, Kind::Create | Kind::Ticket)
}

/// What stands in the path and in the query.
fn parameters(call: &Call) -> Vec<Parameter> {
    match call.kind {
        Kind::Get | Kind::Update => vec![id()],
        Kind::List => Query::parameters(),
        Kind::Summary | Kind::Funnel | Kind::Campaigns => Span::parameters(),
        Kind::ConversionStatus => Span::parameters_with_platform(),
        Kind::Create | Kind::ConversionPending | Kind::Workspace | Kind::Ticket => Vec::new(),
    }
}

fn id() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The lead's id."))
        .schema(Some(text))
        .build()
}

fn request_body(kind: Kind, example: &Value) -> Option<RequestBody> {
    let schema: Schema = match kind {
        Kind::Create => body(Body::Create),
        Kind::Update => body(Body::Update),
        Kind::Ticket => Ticket::schema().into(),
        _ => return None,
    };
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example.clone())).build();
    Some(RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build())
}

/// How each call may be refused.
fn refusals(call: &Call) -> Vec<(&'static str, &'static str)> {
    let mut refusals = vec![
        ("401", "The key is missing, unknown, expired or revoked."),
        ("403", "The key lacks the scope, the plan is not paid for, or today's leads are used up."),
        ("429", "The workspace has used up this minute's requests."),
        ("500", "The sandbox was told to fail."),
    ];
    if !matches!(call.kind, Kind::Get | Kind::ConversionPending | Kind::Workspace) {
        refusals.push(("400", "A parameter or field is wrong; `details` says which."));
    }
    if matches!(call.kind, Kind::Get | Kind::Update) {
        refusals.push(("404", "There is no such lead, or it was deleted."));
    }
    refusals
}

/// An answer with the headers that each has.
fn answer(schema: impl Into<RefOr<Schema>>, example: &Value) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(schema));
    let content = if example.is_null() { content } else { content.example(Some(example.clone())) };
    ResponseBuilder::new()
        .content(JSON, content.build())
        .header("X-Request-Id", header(Type::String, "A UUID, for questions about this request."))
        .header("X-RateLimit-Limit", header(Type::Integer, "Requests a minute."))
        .header("X-RateLimit-Remaining", header(Type::Integer, "Requests left now."))
        .header("X-RateLimit-Reset", header(Type::Integer, "When there are more, in Unix seconds."))
}

fn header(kind: Type, about: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

/// A lead that was created can be read and updated.
fn with_links(response: ResponseBuilder) -> ResponseBuilder {
    let link = |kind: Kind| {
        let id = Value::from("$response.body#/data/id");
        LinkBuilder::new().operation_id(kind.to_string()).parameter("id", id).build()
    };
    response.link("get", link(Kind::Get)).link("update", link(Kind::Update))
}

fn always(value: bool) -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([value])).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_of_version_3_1_and_has_every_call_with_its_example() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
        for call in &CALLS {
            let method = call.method.to_lowercase();
            let operation = &document["paths"][format!("/api/v2/agent/{}", call.path)][method];
            assert_eq!(operation["operationId"], call.kind.to_string());
            let status = if is_creating(call.kind) { "201" } else { "200" };
            let content = &operation["responses"][status]["content"][JSON];
            assert_eq!(content["example"], examples[call.kind.to_string()]["answer"], "{}", call.kind);
            assert!(content["schema"]["properties"]["data"].is_object());
        }
    }

    #[test]
    fn every_schema_that_is_referred_to_is_there() {
        let text = document();
        let document: Value = serde_json::from_str(&text).unwrap();
        let references = text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
        for name in references {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
