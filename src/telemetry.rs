//! Log lines: what the person on duty reads. Never personal data, never a secret.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why log lines could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("the log filter is wrong")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else has set them up before.
    #[error("log lines are already set up")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends log lines that pass `filter` to standard error, for the whole process, and makes panics one of them.
///
/// # Errors
/// [`TelemetryError`]: the filter is wrong, or this is the second time.
pub fn init(filter: &str, lines: Lines) -> Result<(), TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    tracing::subscriber::set_global_default(subscriber(filter, lines, terminal, std::io::stderr)?)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

/// Boxed, as text and JSON are different types.
type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(filter: &str, lines: Lines, terminal: bool, writer: W) -> Result<Subscriber, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let passing = tracing_subscriber::registry().with(quiet(filter)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let json = match lines {
        Lines::Auto => !terminal,
        Lines::Text => false,
        Lines::Json => true,
    };
    Ok(if json {
        Box::new(passing.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)))
    } else {
        Box::new(passing.with(layer.with_ansi(terminal)))
    })
}

/// `filter`, without what the HTTP server says at `info` of its threads, and at `error` of garbage that a stranger sent instead
/// of HTTP (nobody has to act on it), unless they are asked for.
fn quiet(filter: &str) -> Result<Targets, TelemetryError> {
    let mut parsed: Targets = filter.parse()?;
    let talks = parsed.default_level().is_some_and(|most| most > LevelFilter::WARN);
    if talks && !filter.contains("actix_server") {
        parsed = parsed.with_target("actix_server", LevelFilter::WARN);
    }
    if !filter.contains("actix_http") {
        parsed = parsed.with_target("actix_http::h1::dispatcher", LevelFilter::OFF);
        parsed = parsed.with_target("actix_http::h1::decoder", LevelFilter::OFF);
    }
    Ok(parsed)
}

/// Says where a panic was and nothing of what it says: slicing errors and the like quote the text they failed on.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a task panicked; please report this as a bug");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, lines: Lines, terminal: bool, act: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(filter, lines, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_are_json_unless_a_person_watches() {
        let say = || tracing::info!(source = "form", "kept");
        let line: serde_json::Value = serde_json::from_str(&logged("info", Lines::Auto, false, say)).unwrap();
        assert_eq!((line["message"].as_str(), line["source"].as_str()), (Some("kept"), Some("form")));
        for text in [logged("info", Lines::Auto, true, say), logged("info", Lines::Text, false, say)] {
            assert!(!text.starts_with('{') && text.contains("kept"), "{text}");
        }
        assert_eq!(logged("warn", Lines::Json, true, say), "");
        assert!(matches!(subscriber("a=b=c", Lines::Auto, true, std::io::stderr), Err(TelemetryError::Filter(_))));
    }

    #[test]
    fn the_server_s_own_lines_are_left_out_unless_asked_for() {
        let say = || {
            tracing::info!(target: "actix_server::builder", "starting 2 workers");
            tracing::warn!(target: "actix_server::accept", "no file descriptors left");
        };
        let said = |filter| {
            let text = logged(filter, Lines::Json, false, say);
            (text.contains("starting"), text.contains("descriptors"))
        };
        assert_eq!((said("info"), said("debug")), ((false, true), (false, true)));
        assert_eq!(said("info,actix_server=info"), (true, true));
        assert_eq!((said("warn"), said("error")), ((false, true), (false, false)));
    }

    #[test]
    fn garbage_of_strangers_is_no_error_of_ours() {
        let say = || tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error");
        for filter in ["info", "debug", "error", "off"] {
            assert_eq!(logged(filter, Lines::Json, false, say), "", "{filter}");
        }
        assert!(logged("info,actix_http=error", Lines::Json, false, say).contains("stream error"));
    }

    #[test]
    fn a_panic_is_reported_without_what_it_quotes() {
        let text = logged("info", Lines::Json, false, || {
            std::panic::set_hook(Box::new(report_panic));
            let caught = std::panic::catch_unwind(|| panic!("cannot read `Budi 0812`"));
            drop(std::panic::take_hook());
            assert!(caught.is_err());
        });
        assert!(text.contains("src/telemetry.rs:") && !text.contains("Budi"), "{text}");
    }
}
