//! Sources and keys that change while the bridge runs.

use std::time::Duration;

use konektor_bridge::app::reload::Reloaded;
use konektor_bridge::domain::event::SourceName;
use konektor_bridge::providers::{Found, Registry, SourceState};
use konektor_bridge::store::PauseReason;
use reqwest::Method;
use secrecy::ExposeSecret;

use crate::edge::{EVERY_SOURCE, Edge, Setup, answered};
use crate::receive::Log;
use crate::scripted_store::Mood;

const SHOP: &str = "[sources.shop]\nprovider = 'form'\nsettings.allowed_origins = ['https://toko.example']\n";

fn write(edge: &Edge, text: &str) {
    std::fs::write(edge.files.path().join("bridge.toml"), text).unwrap();
}

/// Two looks: a file is taken when it reads the same at both.
async fn looked(edge: &mut Edge) -> Option<Reloaded> {
    assert_eq!(edge.reloader.look().await, None, "a first look takes nothing");
    edge.reloader.look().await
}

fn on(registry: &Registry) -> Vec<String> {
    registry.on().map(|source| source.name.to_string()).collect()
}

fn why_off(edge: &Edge, name: &str) -> String {
    let registry = edge.live.registry.borrow();
    let (_, configured) = registry.iter().find(|(source, _)| source.as_str() == name).expect("it is configured");
    match &configured.state {
        SourceState::Off { why, .. } => why.clone(),
        SourceState::On(_) => panic!("{name} is on"),
    }
}

#[tokio::test]
async fn sources_are_on_when_their_variables_are_set_and_otherwise_say_what_to_do() {
    let edge = Edge::with(Setup { file: "[sources.google]\nenabled = false\n", ..Setup::default() }).await;
    assert_eq!(on(&edge.live.registry.borrow()), ["form", "konektor", "meta", "standard", "whatsapp"]);
    assert!(why_off(&edge, "google").starts_with("switched off in ") && why_off(&edge, "google").ends_with(":1"));

    let edge = Edge::with(Setup { variables: &[("META_APP_SECRET", "x")], ..Setup::default() }).await;
    assert!(on(&edge.live.registry.borrow()).is_empty());
    assert_eq!(why_off(&edge, "meta"), "META_VERIFY_TOKEN, META_ACCESS_TOKEN are not set");
    assert!(why_off(&edge, "form").contains("FORM_ALLOWED_ORIGINS"), "{}", why_off(&edge, "form"));
}

#[tokio::test]
async fn the_log_has_a_line_for_each_source_that_is_on_or_begun_and_one_for_all_the_others() {
    let log = Log::of_this_process();
    let variables = [("META_APP_SECRET", "fake-app-secret-0123"), ("GOOGLE_LEADS_KEY", "fake-google-key-0123")];
    let file = "[sources.shop]\nprovider = 'form'\n[sources.tally]\nenabled = false\n";
    let mut edge = Edge::with(Setup { variables: &variables, file, ..Setup::default() }).await;
    let said = |text: &str| {
        let about = |line: &&str| line.contains("source");
        let lines: Vec<_> = text.lines().filter(about).map(str::to_owned).collect();
        for (level, told) in [
            ("WARN", "source is set up in part and is off source=meta"),
            ("WARN", "source is set up in part and is off source=shop"),
            ("INFO", "source is on source=google"),
            ("INFO", "the other sources are off; `konektor-bridge sources` shows what each needs off="),
        ] {
            assert!(lines.iter().any(|line| line.contains(level) && line.contains(told)), "{told}: {text}");
        }
        assert_eq!(lines.len(), 4, "{text}");
    };
    said(&log.text());
    let before = log.text().len();
    assert_eq!(edge.reloader.reload().await, Reloaded::Applied);
    said(&log.text()[before..]);
}

#[tokio::test]
async fn a_changed_file_changes_the_sources_and_nothing_happens_without_one() {
    let mut edge = Edge::start().await;
    assert_eq!(edge.reloader.look().await, None);
    assert_eq!(answered(edge.public(Method::POST, "/hooks/shop")).await.0, 404);
    write(&edge, SHOP);
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    assert_eq!(answered(edge.public(Method::POST, "/hooks/shop")).await.0, 401);
    assert_eq!(edge.reloader.look().await, None);

    write(&edge, "# nothing of my own\n");
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    let registry = edge.live.registry.borrow().clone();
    assert!(matches!(registry.find(&SourceName::parse("shop").unwrap()), Found::OnceOn));
    assert_eq!(answered(edge.public(Method::POST, "/hooks/shop")).await.0, 200);
    assert!(edge.metrics().await.contains(r#"konektor_bridge_config_reloads_total{outcome="applied"} 2"#));
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_is_looked_at_again_when_it_is_mended() {
    let mut edge = Edge::with(Setup { file: SHOP, ..Setup::default() }).await;
    let before = on(&edge.live.registry.borrow());
    for wrong in [
        "[sources.shop\n",
        "[sources.shop]\nprovder = 'form'\n",
        "[sources.shop]\nprovider = 'from'\n",
        "[sources.Shop]\nprovider = 'form'\nsettings.secret = 'x'\n",
        "[sources.shop]\nprovider = 'form'\nsettings.secrets = 'x'\n",
        "[sources.shop.rules]\nstatsu = 'new'\n[sources.shop]\nprovider = 'form'\nsettings.secret = 'x'\n",
        "[sources.meta.rules]\nstatus = 'sold'\n",
        "[sources.meta.rules]\nregion = 'Indonesia'\n",
        "[sources.meta.rules]\nassigned_to = 'Budi'\n",
        "[sources.meta.rules]\nestimated_value = -1.0\n",
    ] {
        write(&edge, wrong);
        assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused), "{wrong}");
        assert_eq!(edge.reloader.look().await, None, "it is said once: {wrong}");
        assert_eq!(on(&edge.live.registry.borrow()), before, "{wrong}");
    }
    write(&edge, "# nothing of my own\n");
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
}

#[tokio::test]
async fn a_source_that_is_on_does_not_go_off_for_want_of_its_secret() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "fake-google-key-0123\n").unwrap();
    let variables = [("GOOGLE_LEADS_KEY_FILE", key.path().to_str().unwrap()), ("FORM_SECRET", "fake-form-secret")];
    let secret = format!("[sources.shop]\nprovider = 'form'\nsettings.secret = 'file:{}'\n", key.path().display());
    let mut edge = Edge::with(Setup { variables: &variables, file: &secret, ..Setup::default() }).await;
    let before = on(&edge.live.registry.borrow());
    assert_eq!(before, ["form", "google", "shop"]);

    std::fs::write(key.path(), "").unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused), "an empty file of a secret");
    assert_eq!(edge.reloader.look().await, None, "it is said once");
    std::fs::write(key.path(), "fake-google-key-0123\n").unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    for wanting in [
        "[sources.shop]\nprovider = 'form'\nsettings.secret = 'file:/nowhere/secret'\n",
        "[sources.shop]\nprovider = 'form'\nsettings.secret = 'env:NOPE'\n",
        "[sources.shop]\nprovider = 'form'\nrules.hold = true\n",
        "[sources.google.settings]\nkey = 'env:NOPE'\n[sources.shop]\nenabled = false\nprovider = 'form'\n",
    ] {
        write(&edge, wanting);
        assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused), "{wanting}");
        assert_eq!(on(&edge.live.registry.borrow()), before, "{wanting}");
    }
    write(&edge, &format!("{secret}enabled = false\n[sources.google]\nenabled = false\n"));
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied), "that is meant");
    assert_eq!(on(&edge.live.registry.borrow()), ["form"]);
}

#[tokio::test]
async fn a_secret_does_not_go_without_a_word_where_its_source_stays_on() {
    let one = tempfile::NamedTempFile::new().unwrap();
    let path = one.path().to_str().unwrap();
    let from_file = |name| [("FORM_ALLOWED_ORIGINS", "https://shop.example"), (name, path)];
    let two_secrets =
        format!("[sources.standard.settings]\nsecret = ['whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3', 'file:{path}']\n");
    let whether_signed = from_file("FORM_SECRET_FILE");
    let whether_a_person = from_file("FORM_CAPTCHA_SECRET_FILE");
    for (variables, file, secret) in [
        (&whether_signed[..], "", "fake-form-secret"),
        (&[("FORM_CAPTCHA", "turnstile"), whether_a_person[0], whether_a_person[1]], "", "fake-captcha-secret"),
        (&[], two_secrets.as_str(), "whsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAx"),
    ] {
        std::fs::write(one.path(), secret).unwrap();
        let mut edge = Edge::with(Setup { variables, file, ..Setup::default() }).await;
        assert_eq!(on(&edge.live.registry.borrow()).len(), 1, "{variables:?}");
        std::fs::write(one.path(), "\n").unwrap();
        assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused), "{variables:?}");
        assert_eq!(edge.reloader.reload().await, Reloaded::Refused, "what is in force counts: {variables:?}");
        std::fs::write(one.path(), secret.replace('a', "b")).unwrap();
        assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied), "{variables:?}");
    }
}

#[tokio::test]
async fn an_empty_file_is_wrong_where_there_were_sources_and_so_is_one_that_has_vanished() {
    let mut edge = Edge::with(Setup { file: "[sources.form.rules]\nhold = true\n", ..Setup::default() }).await;
    let held = |edge: &Edge| {
        edge.live.registry.borrow().source(&SourceName::parse("form").unwrap()).unwrap().rules.hold.clone()
    };
    let before = held(&edge);
    for blank in ["", " \n\t\n"] {
        write(&edge, blank);
        assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused), "{blank:?}");
        assert_eq!(held(&edge), before);
    }
    std::fs::remove_file(edge.files.path().join("bridge.toml")).unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused));
    assert_eq!(held(&edge), before);

    let mut edge = Edge::with(Setup { file: "# not yet\n", ..Setup::default() }).await;
    write(&edge, "");
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied), "it said nothing before");
}

#[tokio::test]
async fn a_file_that_is_still_being_written_is_not_taken() {
    let mut edge = Edge::with(Setup { file: SHOP, ..Setup::default() }).await;
    write(&edge, "# a remark\n");
    assert_eq!(edge.reloader.look().await, None);
    write(&edge, &format!("# a remark\n{SHOP}"));
    assert_eq!(edge.reloader.look().await, None, "it reads differently than a moment ago");
    assert_eq!(edge.reloader.look().await, Some(Reloaded::Applied));
    assert!(on(&edge.live.registry.borrow()).contains(&"shop".to_owned()));

    write(&edge, "# a remark\n");
    assert_eq!(edge.reloader.look().await, None);
    write(&edge, &format!("# a remark\n{SHOP}"));
    assert_eq!(edge.reloader.look().await, None, "it is as it was");
    assert_eq!(edge.reloader.look().await, None);
}

#[tokio::test]
async fn a_store_that_cannot_remember_the_sources_is_asked_again() {
    let mut edge = Edge::start().await;
    write(&edge, SHOP);
    edge.store.is(Mood::Closed);
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused));
    edge.store.is(Mood::Keeps);
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    assert!(edge.store.once_on.lock().unwrap().contains(&SourceName::parse("shop").unwrap()));
}

#[tokio::test]
async fn what_has_been_on_before_the_start_is_known() {
    let edge = Edge::with(Setup { variables: &EVERY_SOURCE[..1], ..Setup::default() }).await;
    let remembered: Vec<_> = edge.store.once_on.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(remembered, ["form"]);
}

#[tokio::test]
async fn a_new_key_is_used_and_ends_the_pause_that_the_old_one_led_to() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "old\n").unwrap();
    let variables = [("KONEKTOR_API_KEY_FILE", key.path().to_str().unwrap())];
    let mut edge = Edge::with(Setup { variables: &variables, ..Setup::default() }).await;
    let in_use = |edge: &Edge| edge.live.api_key.borrow().as_ref().unwrap().expose_secret().to_owned();
    let now = jiff::Timestamp::UNIX_EPOCH;
    *edge.store.paused.lock().unwrap() = Some((PauseReason::Unauthorized, now));
    std::fs::write(key.path(), "new\n").unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    assert_eq!(in_use(&edge), "new");
    assert!(edge.store.paused.lock().unwrap().is_none());

    *edge.store.paused.lock().unwrap() = Some((PauseReason::Operator, now));
    std::fs::write(key.path(), "newer\n").unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Applied));
    assert!(edge.store.paused.lock().unwrap().is_some(), "what a person has paused, a person resumes");

    std::fs::write(key.path(), "").unwrap();
    assert_eq!(looked(&mut edge).await, Some(Reloaded::Refused));
    assert_eq!(in_use(&edge), "newer");
}

#[tokio::test]
async fn a_token_that_ends_is_told_each_day_however_long_the_bridge_runs() {
    let log = Log::of_this_process();
    // Sixteen days and some hours after the start.
    let variables = [
        ("LINKEDIN_CLIENT_SECRET", "fake-client-secret-0123456789"),
        ("LINKEDIN_ACCESS_TOKEN", "fake-access-token-0123456789"),
        ("LINKEDIN_TOKEN_EXPIRES", "2026-12-10"),
    ];
    let mut edge = Edge::with(Setup { variables: &variables, ..Setup::default() }).await;
    assert_eq!(on(&edge.live.registry.borrow()), ["linkedin"]);
    let told = || log.text().matches("the token for the sender's API ends soon").count();
    let mut counts = Vec::new();
    for hours in [0, 24, 24, 24, 1, 23, 23, 1] {
        edge.clock.advance(Duration::from_secs(hours * 3600));
        assert_eq!(edge.reloader.look().await, None);
        counts.push(told());
    }
    assert_eq!(counts, [0, 0, 0, 1, 1, 2, 2, 3]);
}
