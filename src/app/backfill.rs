//! Lets the admin API read senders' lists, which is done where leads are delivered.

use async_trait::async_trait;

use crate::deliver::Backfill;
use crate::ops::ReadList;
use crate::providers::{Listed, NotListed, Source, Span};

#[async_trait]
impl ReadList for Backfill {
    async fn page(&self, source: &Source, span: Span, cursor: Option<&str>) -> Result<Listed, NotListed> {
        self.page(source, span, cursor).await
    }
}
