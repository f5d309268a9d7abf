//! What a source's owner wants done, from the file to Konektor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use konektor_bridge::app::sources::build_sources;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::providers::SourceState;
use konektor_bridge::sandbox;
use konektor_bridge::store::EventState;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{TestBridge, spawn_with};

/// A bridge with these sources over the built-in ones.
async fn ruled(toml: &str) -> (TestBridge, TempDir) {
    ruled_with(toml, &[]).await
}

/// The same with these variables, too.
async fn ruled_with(toml: &str, more: &[(&str, &str)]) -> (TestBridge, TempDir) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, toml).unwrap();
    let variables: Vec<_> = more.iter().copied().chain([("BRIDGE_CONFIG", file.to_str().unwrap())]).collect();
    let bridge = spawn_with(sandbox::Settings::default(), &variables).await;
    (bridge, directory)
}

/// Sends a form with these answers, and delivers what can be delivered now.
async fn send(bridge: &TestBridge, answers: Value) {
    assert_eq!(bridge.post("form", bridge.signed("form", answers.to_string())).await, 200);
    bridge.deliver().await;
}

/// What is said of the sources of this file when they are wrong.
fn wrong(toml: &str) -> String {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, toml).unwrap();
    let environment =
        Environment::from_iter([("BRIDGE_CONFIG", file.to_str().unwrap()), ("FORM_SECRET", "f".repeat(32).as_str())]);
    match config::load(&environment) {
        Err(error) => error.to_string(),
        Ok(config) => {
            let findings = build_sources(&config.sources, None).expect_err("these rules are wrong");
            findings.iter().map(|finding| format!("{finding}\n")).collect()
        }
    }
}

#[tokio::test]
async fn a_visitor_that_konektor_knows_by_the_code_in_the_message_is_filled_in_and_not_made_again() {
    let (bridge, _file) = ruled("[sources.form.rules]\nunique_code = 'KNK-[0-9A-Z]{3,12}'").await;
    let visitor = json!({ "firstName": "Visitor [KNK-7F3A]", "uniqueCode": "KNK-7F3A", "adPlatform": "meta" });
    bridge.agent("POST", "leads", Some(visitor)).await;
    send(&bridge, json!({ "nama": "Siti Aminah", "hp": "0812 3456 7890", "pesan": "Halo! Kode: knk-7f3a KNK-7F3A" }))
        .await;
    let lead = bridge.only_lead().await;
    assert_eq!((&lead["firstName"], &lead["phone"]), (&json!("Siti"), &json!("+6281234567890")));
    assert_eq!((&lead["adPlatform"], &lead["status"]), (&json!("meta"), &json!("new")), "what Konektor knew stays");
    assert!(lead["externalRef"].as_str().is_some_and(|reference| reference.starts_with("form:form:")), "{lead:#}");
    assert_eq!((bridge.creates().await, bridge.count(EventState::Delivered).await), (1, 1), "the visitor's own");
    assert_eq!(bridge.ledger().await.calls.total, 4, "the visitor's create, a search, a get, an update");
    bridge.stop().await;
}

#[tokio::test]
async fn a_code_that_konektor_has_not_shown_after_its_wait_makes_a_lead() {
    let (bridge, _file) = ruled("[sources.form.rules]\nunique_code = 'KNK-[0-9A-Z]{3,12}'").await;
    send(&bridge, json!({ "nama": "Siti", "hp": "0812 3456 7890", "pesan": "Kode: KNK-7F3A" })).await;
    assert_eq!(bridge.creates().await, 0, "its visitor may be shown in a moment");
    bridge.after(Duration::from_secs(16)).await;
    let lead = bridge.only_lead().await;
    assert_ne!(lead["uniqueCode"], "KNK-7F3A");
    assert!(lead["notes"].as_str().unwrap().contains("KNK-7F3A"));
    bridge.stop().await;
}

#[tokio::test]
async fn a_visitor_that_is_shown_late_is_found_all_the_same() {
    let (bridge, _file) = ruled("[sources.form.rules]\nunique_code = 'KNK-[0-9A-Z]{3,12}'").await;
    bridge.faults(json!({ "search_lag": "10s" })).await;
    bridge.agent("POST", "leads", Some(json!({ "firstName": "Visitor [KNK-7F3A]", "uniqueCode": "KNK-7F3A" }))).await;
    send(&bridge, json!({ "nama": "Siti", "pesan": "Kode: KNK-7F3A" })).await;
    assert_eq!(bridge.count(EventState::Pending).await, 1, "nothing is found yet, and nothing is made");
    bridge.deliver_all().await;
    assert_eq!(bridge.only_lead().await["firstName"], "Siti");
    bridge.stop().await;
}

#[tokio::test]
async fn a_code_of_two_leads_waits_for_a_person_who_merges_them() {
    let (bridge, _file) = ruled("[sources.form.rules]\nunique_code = 'KNK-[0-9A-Z]{3,12}'").await;
    for _ in 0..2 {
        bridge
            .agent("POST", "leads", Some(json!({ "firstName": "Visitor [KNK-7F3A]", "uniqueCode": "KNK-7F3A" })))
            .await;
    }
    send(&bridge, json!({ "nama": "Siti", "pesan": "KNK-7F3A" })).await;
    let dead = bridge.events(EventState::Dead).await.events;
    assert_eq!(dead[0].reason.as_deref(), Some("code_not_unique"));
    assert!(dead[0].detail.as_deref().is_some_and(|detail| detail.contains("lead_")), "{:?}", dead[0].detail);
    assert!(!bridge.leads().await.iter().any(|lead| lead["firstName"] == "Siti"));
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_is_there_and_then_names_a_code_stays_and_has_the_code_in_its_notes() {
    let (bridge, _file) = ruled("[sources.form.rules]\nunique_code = 'KNK-[0-9A-Z]{3,12}'").await;
    let said = |message: &str| json!({ "submission_id": "s-1", "nama": "Siti", "kode_unik": message });
    send(&bridge, said("")).await;
    let visitor = json!({ "firstName": "Visitor [KNK-7F3A]", "uniqueCode": "KNK-7F3A" });
    bridge.agent("POST", "leads", Some(visitor)).await;
    send(&bridge, said("KNK-7F3A")).await;
    let leads = bridge.leads().await;
    let named =
        |name: &str| leads.iter().find(|lead| lead["firstName"] == name).unwrap_or_else(|| panic!("{leads:#?}"));
    assert!(named("Siti")["notes"].as_str().unwrap().contains("uniqueCode: KNK-7F3A"), "{leads:#?}");
    assert_eq!(named("Visitor [KNK-7F3A]")["uniqueCode"], "KNK-7F3A");
    assert_eq!(leads.len(), 2, "a person merges them");
    bridge.stop().await;
}

#[tokio::test]
async fn an_order_is_won_with_its_amount_and_not_before_one_is_known() {
    let rule = "[sources.scalev.rules]\nstatus = [{ when = 'payment', status = 'won' }]";
    let (bridge, _file) = ruled_with(rule, &[("SCALEV_SECRET", "scalev-secret-of-the-tests-01")]).await;
    let tell = async |event: &str, id: &str, data: Value| {
        let body = json!({ "event": event, "unique_id": id, "data": data }).to_string();
        assert_eq!(bridge.post("scalev", bridge.signed("scalev", body)).await, 200);
        bridge.deliver().await;
        let lead = bridge.leads().await.into_iter().find(|lead| lead["externalRef"] == "scalev:A-1").unwrap();
        (lead["status"].clone(), lead["actualValue"].clone())
    };
    let paid = json!({ "order_id": "A-1", "payment_status": "paid" });
    let unknown = tell("order.payment_status_changed", "e1", paid.clone()).await;
    assert_eq!(unknown, (json!("new"), Value::Null), "nobody has said how much");
    let order =
        json!({ "order_id": "A-1", "payment_status": "unpaid", "status": "pending", "gross_revenue": "168724.00" });
    assert_eq!(tell("order.created", "e2", order).await, (json!("new"), Value::Null));
    assert_eq!(tell("order.payment_status_changed", "e3", paid).await, (json!("won"), json!(168_724)));
    bridge.stop().await;
}

#[tokio::test]
async fn an_order_that_its_payment_has_overtaken_is_won_once_it_comes() {
    let rule = "[sources.scalev.rules]\nstatus = [{ when = 'payment', status = 'won' }]";
    let (bridge, _file) = ruled_with(rule, &[("SCALEV_SECRET", "scalev-secret-of-the-tests-01")]).await;
    let tell = async |event: &str, (id, second): (&str, u8), data: Value| {
        let at = format!("2026-11-20T08:00:{second:02}Z");
        let body = json!({ "event": event, "unique_id": id, "timestamp": at, "data": data }).to_string();
        assert_eq!(bridge.post("scalev", bridge.signed("scalev", body)).await, 200);
        bridge.deliver().await;
        // As many calls as are allowed at once have been made.
        bridge.clock.advance(Duration::from_secs(10));
    };
    let shown = async |order: &str| {
        let name = format!("scalev:{order}");
        let lead = bridge.leads().await.into_iter().find(|lead| lead["externalRef"] == name).unwrap();
        (lead["status"].clone(), lead["actualValue"].clone())
    };
    let order = |id: &str, paid: &str| json!({ "order_id": id, "payment_status": paid, "status": "pending", "gross_revenue": "168724.00" });
    let payment = |id: &str| json!({ "order_id": id, "payment_status": "paid" });
    tell("order.payment_status_changed", ("e1", 20), payment("A-1")).await;
    assert_eq!(shown("A-1").await, (json!("new"), Value::Null), "nobody has said how much");
    tell("order.created", ("e2", 10), order("A-1", "unpaid")).await;
    assert_eq!(shown("A-1").await, (json!("won"), json!(168_724)));
    // An order that says later that it is not paid knows better.
    tell("order.payment_status_changed", ("e3", 20), payment("A-2")).await;
    tell("order.updated", ("e4", 30), order("A-2", "unpaid")).await;
    assert_eq!(shown("A-2").await, (json!("new"), Value::Null));
    bridge.stop().await;
}

#[tokio::test]
async fn what_the_rules_withhold_is_shown_with_its_reason_and_can_be_released() {
    let (bridge, _file) = ruled(
        "[sources.form.rules]\njunk = \"'http' in text\"\nignore = \"'lowongan' in message|lower\"\ntest = \"lead.first_name == 'Tes'\"\n\
         accept = \"answers.kota != 'Papua'\"\nhold = \"answers.kota == 'Bali'\"",
    )
    .await;
    for (nama, kota, pesan) in [
        ("Tes", "Solo", "halo"),
        ("Siti", "Solo", "lihat http://a.example"),
        ("Budi", "Solo", "Ada lowongan?"),
        ("Ayu", "Papua", "halo"),
        ("Made", "Bali", "halo"),
        ("Joko", "Solo", "halo"),
    ] {
        send(&bridge, json!({ "nama": nama, "kota": kota, "pesan": pesan })).await;
    }
    assert_eq!(bridge.only_lead().await["firstName"], "Joko");
    let withheld = bridge.events(EventState::Withheld).await.events;
    let mut reasons: Vec<_> = withheld.iter().filter_map(|event| event.reason.as_deref()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["hold_rule", "ignore_rule", "junk_rule", "not_accepted", "test_rule"]);
    assert!(withheld.iter().all(|event| event.detail.as_deref().is_some_and(|detail| detail.contains("` rule"))));
    let metrics = bridge.metrics().await;
    assert!(metrics.contains("konektor_bridge_withheld_total{reason=\"junk_rule\"} 1"), "{metrics}");
    bridge.admin("POST", "withheld/release", Some(json!({ "all": true }))).await;
    bridge.deliver_all().await;
    let leads = bridge.leads().await;
    assert_eq!(leads.len(), 6);
    let test = leads.iter().find(|lead| lead["firstName"] == "Tes").unwrap();
    assert!(test["notes"].as_str().unwrap().contains("TEST"), "it says so");
    bridge.stop().await;
}

#[tokio::test]
async fn a_status_goes_forwards_by_the_rules_and_never_back() {
    let (bridge, _file) = ruled(
        "[sources.form.rules]\nstatus = [{ when = \"answers.tahap == 'a'\", status = 'hot' }, { when = \"answers.tahap\", status = 'contacted' }]",
    )
    .await;
    for (tahap, status) in [("", "new"), ("b", "contacted"), ("a", "hot"), ("b", "hot")] {
        bridge.clock.advance(Duration::from_secs(1));
        send(&bridge, json!({ "submission_id": "s-1", "nama": "Siti", "tahap": tahap })).await;
        assert_eq!(bridge.only_lead().await["status"], status, "{tahap}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_form_goes_by_its_own_rules_over_those_of_its_source() {
    let (bridge, _file) = ruled(
        "[sources.form.rules]\npriority = 'low'\nset.email = \"answers.surat\"\n[sources.form.forms.pameran]\npriority = 'urgent'",
    )
    .await;
    for form in ["pameran", "kontak"] {
        send(&bridge, json!({ "form_id": form, "nama": form, "surat": format!("{form}@example.com") })).await;
    }
    let leads = bridge.leads().await;
    let lead = |form: &str| leads.iter().find(|lead| lead["email"] == format!("{form}@example.com")).unwrap();
    assert_eq!((&lead("pameran")["priority"], &lead("kontak")["priority"]), (&json!("urgent"), &json!("low")));
    bridge.stop().await;
}

#[tokio::test]
async fn a_rule_that_nothing_comes_of_holds_no_lead_up_and_is_told() {
    let (bridge, _file) = ruled(
        "[sources.form.rules]\njunk = 'answers.budget|number < 1000'\nset.phone = 'answers.kode'\nset.email = 'answers.surat'",
    )
    .await;
    send(&bridge, json!({ "nama": "Siti Geheim", "hp": "0812 3456 7890", "kode": "rahasia" })).await;
    let lead = bridge.only_lead().await;
    assert_eq!(lead["phone"], "+6281234567890", "it is what the answers say");
    assert!(lead["notes"].as_str().unwrap().contains("Rule set.phone: rahasia"), "{lead:#}");
    let reference = lead["externalRef"].as_str().unwrap();
    let lane = bridge.admin("GET", &format!("lanes/{reference}"), None).await;
    let log = lane["log"].as_array().unwrap();
    let told: Vec<_> =
        log.iter().filter(|entry| entry["call"] == "rule").map(|entry| entry["note"].as_str().unwrap()).collect();
    assert_eq!(told.len(), 2, "an answer that is not there is nothing, and no failure: {lane:#}");
    assert!(told[0].starts_with("junk says nothing: ") && told[0].contains("at character"), "{told:?}");
    assert!(told[1].starts_with("set.phone says nothing: what it gives is no phone number"), "{told:?}");
    assert!(!told.concat().contains("rahasia") && !told.concat().contains("Geheim"), "{told:?}");
    let metrics = bridge.metrics().await;
    for rule in ["junk", "set.phone"] {
        let line = format!(r#"konektor_bridge_rule_failures_total{{source="form",rule="{rule}"}} 1"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    bridge.stop().await;
}

#[test]
fn what_is_wrong_with_a_rule_is_shown_with_its_line_its_place_and_what_was_meant() {
    let all = wrong(
        "[sources.form.rules]\npriority = 'hgih'\nset.emial = \"answers.x\"\nset.phone = \"answers.x|lowr\"\n\
         statsu = 'new'\nfields.Nama = 'full_nme'\nassigned_to = 'Rina'\nestimated_value = -1.0\n\
         status = [\n  { when = 'anwsers.x', status = 'hot' },\n  { when = 'true', status = 'won' },\n]\n\
         junk = [\"'a' in text\", \"'a' on text\"]\nunique_code = '['\n\
         [sources.form.forms.a]\nsource = 'webiste'\n",
    );
    let line = |number: usize| {
        let place = format!("bridge.toml:{number}: ");
        all.lines()
            .find(|line| line.contains(&place))
            .unwrap_or_else(|| panic!("nothing on line {number}:\n{all}"))
            .to_owned()
    };
    for (number, says) in [
        (2, "priority: unknown variant `hgih`"),
        (2, "did you mean `high`?"),
        (3, "did you mean `email`?"),
        (4, "set.phone: unknown filter `lowr` at character 11"),
        (4, "did you mean `lower`?"),
        (5, "did you mean `status`?"),
        (6, "did you mean `full_name`?"),
        (7, "not a UUID"),
        (8, "below zero"),
        (10, "status[0]: unknown name `anwsers` at character 1"),
        (10, "did you mean `answers`?"),
        (11, "needs the sender to say that it was paid"),
        (13, "junk[1]: "),
        (13, " at character 5"),
        (14, "unique_code: this is no pattern"),
        (16, "of its form `a`: source: unknown variant `webiste`"),
    ] {
        assert!(line(number).contains(says), "{says}\n{}", line(number));
    }
    assert_eq!(all.lines().count(), 12, "each is told once:\n{all}");
    let value = wrong("[sources.form.forms.a]\nvalue = 'low'\n");
    assert!(value.contains("bridge.toml:2: ") && value.contains("whole source"), "{value}");
}

#[test]
fn what_would_only_be_found_wrong_at_each_lead_is_found_when_it_is_read() {
    let all = wrong(
        "[sources.form.rules]\naccept = []\nset.priority = \"'hgih'\"\nset.source = 'website'\nad_platform = 'facebook'\n\
         set.ad_platform = \"'adwords'\"\n[sources.form.forms.a]\nad_platform = 'IG'\nsource = 'Ads'\n",
    );
    let lines: Vec<_> = all.lines().collect();
    for (number, says, meant) in [
        (2, "accept: an empty list", "write accept = \"true\""),
        (3, "set.priority: unknown priority `hgih`", "did you mean `high`?"),
        (4, "set.source: `website` is a text", "write \"'website'\""),
        (5, "ad_platform: unknown variant `facebook`", "did you mean `meta`?"),
        (6, "set.ad_platform: unknown network `adwords`", "did you mean `google`?"),
        (8, "of its form `a`: ad_platform: unknown variant `IG`", "did you mean `meta`?"),
        (9, "of its form `a`: source: unknown variant `Ads`", "did you mean `ads`?"),
    ] {
        let place = format!("bridge.toml:{number}: ");
        let line = lines.iter().find(|line| line.contains(&place)).unwrap_or_else(|| panic!("{number}: {all}"));
        assert!(line.contains(says) && line.contains(meant), "{says} {meant}\n{line}");
    }
    assert_eq!(lines.len(), 7, "{all}");
}

#[test]
fn won_is_refused_for_a_sender_that_never_says_that_something_was_paid() {
    let won = "status = [\n  { when = 'message', status = 'hot' },\n  { when = 'payment', status = 'won' },\n]\n";
    let all = wrong(&format!(
        "[sources.form]\nsettings.secret = 'form-secret-of-the-tests-0123456789'\n[sources.form.rules]\n{won}\
         [sources.form.forms.a]\npriority = 'high'\n[sources.form.forms.b]\n{won}\
         [sources.typeform]\nsettings.secret = 'typeform-secret-of-the-tests'\nrules.{won}\
         [sources.scalev]\nsettings.secret = 'scalev-secret-of-the-tests-01'\nrules.{won}"
    ));
    let lines: Vec<_> = all.lines().filter(|line| line.contains("bridge.toml:")).collect();
    assert_eq!(lines.len(), 3, "each once, and none of Scalev's:\n{all}");
    for (line, (number, says)) in lines.iter().zip([
        (6, "`form`: in the rules: status[1]: nothing of this sender says that it was paid, so `won` never comes; take"),
        (13, "`form`: in the rules of its form `b`: status[1]: "),
        (19, "`typeform`: in the rules: status[1]: nothing of this sender says that it was paid, so `won` never comes; say in `settings.payment`"),
    ]) {
        assert!(line.contains(&format!("bridge.toml:{number}: ")) && line.contains(says), "{number}: {line}\n{all}");
    }
}

#[test]
fn what_is_wrong_with_a_source_or_a_preset_is_shown_at_the_line_of_its_key() {
    let all = wrong(
        "[sources.form.settings]\nallowd_origins = ['https://a.example']\n\
         [sources.crm]\nprovider = 'mapped'\n[sources.crm.settings]\nsecret = 'a-secret-of-nobody-at-all'\n\
         external_ref = { prefix = 'crm:', id = 'id' }\n[sources.crm.settings.verify]\nkind = 'hmac'\n\
         algorithm = 'sha256'\nencoding = 'hex'\nbase = '{bdy}'\nsignature = { header = 'x-sig' }\n\
         [sources.shop]\nenabled = true\nprovider = 'typefrom'\n\
         [sources.branch]\nprovider = 'mine'\nsettings.token = 'a-token-of-nobody-0123456789'\n\
         [presets.mine]\nexternal_ref = { prefix = 'mine:', id = 'id' }\n\nmap.emial = 'mail'\n\
         [sources.short]\nprovider = 'typeform'\n\nsettings.secret = 'geheim'\n",
    );
    for (number, says) in [
        (2, "did you mean `allowed_origins`?"),
        (12, "verify.base"),
        (16, "did you mean `typeform`?"),
        (23, "emial"),
        (27, "fewer than 16"),
    ] {
        let place = format!("bridge.toml:{number}: ");
        let line = all.lines().find(|line| line.contains(&place));
        assert!(line.is_some_and(|line| line.contains(says)), "{says} on line {number}:\n{all}");
    }
    assert!(!all.contains("geheim"), "{all}");
    let gone = wrong("[sources.form.settings]\nsubmission_id_fields = []\nsecret = 'file:/nowhere/at/all'\n");
    assert!(gone.contains("bridge.toml:3: "), "{gone}");
}

/// The sources that are on with this file over the built-in ones.
fn on(file: &Path) -> Vec<String> {
    let environment = Environment::from_iter([
        ("BRIDGE_CONFIG", file.to_str().unwrap()),
        ("FORM_SECRET", "form-secret-of-the-tests-0123456789"),
        ("SCALEV_SECRET", "scalev-secret-of-the-tests-01"),
        ("WHATSAPP_APP_SECRET", "whatsapp-app-secret-of-the-tests-012345"),
        ("WHATSAPP_VERIFY_TOKEN", "whatsapp-verify-token-of-the-tests"),
    ]);
    let sources = build_sources(&config::load(&environment).unwrap().sources, None).unwrap();
    let on = sources.into_iter().filter(|(_, configured)| matches!(configured.state, SourceState::On(_)));
    on.map(|(name, _)| name.to_string()).collect()
}

#[test]
fn the_examples_are_rules_that_can_be_used() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let files: Vec<PathBuf> = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()).collect();
    let toml = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
    let used = toml.map(|file| assert_eq!(on(file), ["form", "scalev", "whatsapp"], "{}", file.display())).count();
    assert!(used > 0);
}
