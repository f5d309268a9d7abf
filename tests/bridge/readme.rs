//! The examples of the README, run as a reader would.

use std::process::Command;

use konektor_bridge::app::sources::build_sources;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::providers::{Sample, SourceState};
use konektor_bridge::sandbox;
use url::form_urlencoded::Serializer;

use crate::harness::spawn_with;
use crate::served::{FORM_SECRET, Served};

const README: &str = include_str!("../../README.md");

/// The blocks of `language` in the README below the heading `under`, up to the next heading.
fn blocks(under: &str, language: &str) -> Vec<&'static str> {
    let (_, rest) = README.split_once(&format!("# {under}\n")).unwrap_or_else(|| panic!("no heading {under}"));
    let section = rest.find("\n##").map_or(rest, |end| &rest[..end]);
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

fn only(under: &str, language: &str) -> &'static str {
    let blocks = blocks(under, language);
    assert_eq!(blocks.len(), 1, "{under} has one example in {language}");
    blocks[0]
}

/// How the demo begins.
pub(crate) fn picture() -> &'static str {
    only("Run it in a minute", "text")
}

#[test]
fn a_webhook_signed_by_hand_becomes_a_lead() {
    let bridge = Served::start();
    let ran = Command::new("sh")
        .args(["-euc", only("Your own back-end", "sh")])
        .env("FORM_SECRET", FORM_SECRET)
        .env("BRIDGE_PUBLIC_URL", bridge.public())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("\"ok\":true"), "{}", String::from_utf8_lossy(&ran.stdout));
    bridge.event(&["events", "list", "--json"], "delivered");
    let lead = &bridge.konektor.leads()[0];
    assert_eq!((&lead["firstName"], &lead["lastName"]), (&"Siti".into(), &"Aminah".into()));
    assert_eq!(lead["phone"], "+6281234567890");
    assert!(lead["notes"].as_str().unwrap().contains("Halo, masih ada?"));
    assert_eq!(bridge.stop(), Some(0));
}

#[tokio::test]
async fn the_form_on_the_website_becomes_a_lead() {
    let section = blocks("A form on your website", "sh");
    let (name, value) = section[0].trim().split_once('=').unwrap();
    let bridge = spawn_with(sandbox::Settings::default(), &[(name, value)]).await;
    let html = only("A form on your website", "html");
    let fields = html.split("name=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let answers = |field: &str| match field {
        "nama" => "Budi Santoso",
        "email" => "budi@example.com",
        "no_hp" => "0812-3456-7890",
        "pesan" => "Minta brosur",
        "_gotcha" => "",
        other => panic!("the form has a new field, {other}"),
    };
    let body = form_urlencoded(fields.map(|field| (field, answers(field))));
    let origin = value.split(',').next().unwrap().to_owned();
    let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned()), ("origin", origin)];
    assert!(html.contains("/hooks/form\""));
    let status = bridge.post("form", Sample::new(headers, body.into_bytes())).await;
    assert_eq!(status, 200);
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((&lead["email"], &lead["phone"]), (&"budi@example.com".into(), &"+6281234567890".into()));
    assert!(lead["notes"].as_str().unwrap().contains("Minta brosur"));
    bridge.stop().await;
}

fn form_urlencoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn the_field_map_makes_a_source_that_is_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, only("Standard Webhooks", "toml")).unwrap();
    let environment: Environment = [
        ("BRIDGE_CONFIG", file.to_str().unwrap()),
        ("STANDARD_WEBHOOKS_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    ]
    .into_iter()
    .collect();
    let sources = build_sources(&config::load(&environment).unwrap().sources, None).unwrap();
    let (_, standard) = sources.iter().find(|(name, _)| name.as_str() == "standard").unwrap();
    assert!(matches!(standard.state, SourceState::On(_)), "{:?}", standard.state);
}

#[test]
fn the_example_of_rules_is_rules() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, only("Rules", "toml")).unwrap();
    let environment = Environment::from_iter([("BRIDGE_CONFIG", file.to_str().unwrap()), ("FORM_SECRET", FORM_SECRET)]);
    let sources = build_sources(&config::load(&environment).unwrap().sources, None).unwrap();
    let (_, form) = sources.iter().find(|(name, _)| name.as_str() == "form").unwrap();
    let SourceState::On(form) = &form.state else { panic!("{:?}", form.state) };
    assert!(form.rules.forms.contains_key("pameran-2026"));
}

#[test]
fn the_two_commands_of_the_start_are_the_ones_that_are_there() {
    let start = blocks("Run it in a minute", "sh");
    assert_eq!(
        start.iter().map(|block| block.trim()).collect::<Vec<_>>(),
        ["cargo run --release -- demo", "tests/run"]
    );
    assert!(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run")).is_file());
}
