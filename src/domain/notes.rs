//! The bridge's own block in a lead's notes.

/// What goes into the notes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notes {
    lines: Vec<String>,
}

impl Notes {
    /// Adds what came later.
    pub fn absorb(&mut self, later: Self) {
        self.lines.extend(later.lines);
    }
}
