//! The scripts, each in its own file. What they share stands before each of them, after its first line.

use super::link::Script;

const PRELUDE: &str = include_str!("lua/prelude.lua");

/// All of them.
pub(super) struct Scripts {
    pub(super) audit: Script,
    pub(super) commit: Script,
    pub(super) enter: Script,
    pub(super) keep: Script,
    pub(super) look: Script,
    pub(super) page: Script,
    pub(super) pulse: Script,
    pub(super) unsorted: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            audit: script(include_str!("lua/audit.lua")),
            commit: script(include_str!("lua/commit.lua")),
            enter: script(include_str!("lua/enter.lua")),
            keep: script(include_str!("lua/keep.lua")),
            look: script(include_str!("lua/look.lua")),
            page: script(include_str!("lua/page.lua")),
            pulse: script(include_str!("lua/pulse.lua")),
            unsorted: script(include_str!("lua/unsorted.lua")),
        }
    }
}

/// The first line tells the server what the script may do; it has to stay the first.
fn script(text: &str) -> Script {
    let (shebang, body) = text.split_once('\n').unwrap_or((text, ""));
    Script::new(&format!("{shebang}\n{PRELUDE}\n{body}"))
}
