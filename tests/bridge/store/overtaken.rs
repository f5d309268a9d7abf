//! What happens when a verb waits for its turn while others pass it.

use super::{Bed, me, on_every_backend};

#[test]
fn a_heartbeat_that_was_overtaken_by_a_claim_does_not_free_what_that_gave() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let asked = bed.now();
        bed.pass(1);
        let _held = bed.claim().await;
        bed.pass(9);
        bed.arrive("bob", "2").await;
        assert_eq!(bed.store.heartbeat(&me(), &[], asked).await.unwrap(), []);
        assert_eq!(bed.state_of("ann").await, "leased", "it was not there to be named");
        assert_eq!(bed.store.heartbeat(&me(), &[], bed.now()).await.unwrap(), []);
        assert_eq!(bed.state_of("ann").await, "ready");
    });
}
