//! How the demo ends: the leads as they stand in the local Konektor, and what can be tried.

use std::io::{self, Write as _};

use serde_json::Value;

use super::stage::{SITE, Stage};
use super::story::Story;
use crate::cli::output::{Out, Text, Tone};

/// Shows the leads.
pub(super) async fn leads(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    let leads: Vec<Value> = stage.konektor("leads").await?;
    writeln!(story, "\nThe leads as they now stand in Konektor:\n")?;
    let rows = leads.iter().map(|lead| {
        let text = |field: &str| lead[field].as_str().unwrap_or_default().to_owned();
        let name = format!("{} {}", text("firstName"), text("lastName"));
        [
            Text(name.trim_end().to_owned(), Tone::Strong),
            Text::from(text("phone")),
            Text::from(text("email")),
            Text::from(text("source")),
            Text::from(text("adPlatform")),
            Text(text("externalRef"), Tone::Faint),
        ]
    });
    story.out().list(["name", "phone", "email", "source", "ad", "externalRef"], &[0, 1], rows)?;
    if let Some(notes) = leads.first().and_then(|lead| lead["notes"].as_str()) {
        writeln!(story, "\nThe notes of the first one:\n")?;
        for line in crate::cli::output::printable(notes).lines() {
            writeln!(story, "   {line}")?;
        }
    }
    Ok(())
}

/// Says where to look and what to type. Each of these works as it stands.
pub(super) fn what_to_try(stage: &Stage, out: &mut Out) -> io::Result<()> {
    let (strong, faint) = (Tone::Strong.style(), Tone::Faint.style());
    let (hooks, admin) = (&stage.hooks, &stage.admin_url);
    writeln!(out, "\n{strong}It keeps running; Ctrl-C ends it and deletes what it kept.{strong:#}\n")?;
    writeln!(out, "{faint}# what came in, and what became of it{faint:#}")?;
    writeln!(out, "curl -s {admin}admin/v1/events")?;
    writeln!(out, "{faint}# the leads in the local Konektor{faint:#}")?;
    writeln!(out, "curl -s {}", stage.konektor_url("leads"))?;
    writeln!(out, "{faint}# a form, as a browser on {SITE} sends it{faint:#}")?;
    writeln!(
        out,
        "curl -i {hooks}hooks/form -H 'Origin: {SITE}' -d 'nama=Rina Wijaya' -d 'no_hp=0812-0077-0001' -d 'pesan=Halo'"
    )?;
    writeln!(out, "{faint}# a form, as your own back-end signs it{faint:#}")?;
    writeln!(out, "body='{{\"nama\":\"Budi\",\"no_hp\":\"0812-0077-0002\"}}'; t=$(date +%s)")?;
    writeln!(
        out,
        "v1=$(printf '%s.%s' \"$t\" \"$body\" | openssl dgst -sha256 -hmac '{}' -r | cut -d' ' -f1)",
        stage.form_secret()
    )?;
    writeln!(
        out,
        "curl -i {hooks}hooks/form -H 'Content-Type: application/json' -H \"X-Bridge-Signature: t=$t,v1=$v1\" -d \"$body\""
    )?;
    writeln!(out, "{faint}# the commands, with this demo's settings{faint:#}")?;
    writeln!(out, ". {}", stage.settings_file()?.display())?;
    writeln!(out, "konektor-bridge send whatsapp; konektor-bridge events list; konektor-bridge withheld list")?;
    writeln!(out, "{faint}# make Konektor fail every other call, and see what the bridge makes of it{faint:#}")?;
    writeln!(out, "curl -s -X PUT {} -d '{{\"error_rate\": 0.5}}'", stage.konektor_url("faults"))
}
