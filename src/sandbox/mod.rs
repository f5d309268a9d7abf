//! A local Konektor for demos, development and tests.
