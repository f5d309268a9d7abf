//! konektor-bridge takes the webhooks of forms, WhatsApp and ad platforms and turns each lead in them into exactly one
//! lead in Konektor.
//!
//! # One webhook's way
//!
//! ```text
//!   receive/  ends in milliseconds, never calls out   ‖  deliver/  may take hours, never sees a request
//!                                                     ‖
//!   receive ▸ verify ▸ keep ▸ answer                  ‖  sort ▸ claim ▸ (fetch) ▸ fold ▸ plan ⇄ call ▸ settle
//!                        │                            ‖   │      │                                     │
//!                        ▼                            ‖   │      │   delivered · retried · reconciled · withheld · dead
//!                   [ store: inbox ]══════════════════‖═══╡      │                                     │
//!                                   [ store: lanes ]══‖═══╧══════╡                                     │
//!                                                     ‖          └───────── replay, by a person ◀──────┘
//! ```
//!
//! A webhook that verifies is appended to the inbox, and answered once that is on disk. Sorting cuts it into *items*,
//! one a lead, and puts each into the *lane* of its lead. A lane is claimed under a *lease* together with a *permit* for
//! one call; its events are read by the rules of that moment, folded into one lead, and a pure plan says which calls to
//! make until the lane can be settled.
//!
//! # Layout
//!
//! | module | what is in it | imports |
//! |---|---|---|
//! | [`domain`] | what a lead is: phone, name, notes, attribution, reference; pure | nothing of ours |
//! | [`providers`] | the senders' dialects: bytes in, items and submissions out; pure | domain |
//! | [`store`] | the only place where the halves meet: inbox, lanes, limiter; memory and SQLite | domain |
//! | [`receive`] | the left half: routes, the one handler | providers store domain clock |
//! | [`deliver`] | the right half: a pure engine, and what carries out what it wants | konektor providers store domain clock |
//! | [`konektor`] | what we ask Konektor and what its answers mean; the client | domain |
//! | [`ops`] | for the person on duty: health, metrics, admin API | store providers domain clock |
//! | [`sandbox`] | a local Konektor for demos, development and tests | domain clock loopback |
//! | [`config`], [`telemetry`], [`metrics`], [`clock`], [`loopback`], [`outbound`] | settings, logs, numbers, time, this machine, the way to others | each other at most |
//! | [`app`] | puts a bridge together | everything |
//! | [`cli`] | one file a command | app and below |
//!
//! The two halves never import each other; `tests/bridge/house.rs` reads the `use` lines and fails when a line crosses.
//!
//! # As a library
//!
//! [`konektor::Api`] is Konektor's Agent API, typed: all its calls, within its rate limit, and nothing that it says lost.
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures_util::TryStreamExt;
//! use konektor_bridge::app::permits::{LocalPermits, Pace};
//! use konektor_bridge::domain::status::Status;
//! use konektor_bridge::konektor::wire::LeadBody;
//! use konektor_bridge::konektor::{Api, LeadFilter};
//! use secrecy::SecretString;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sandbox = konektor_bridge::sandbox::start(konektor_bridge::sandbox::Settings::default())?;
//! # let base = sandbox.url().parse()?;
//! # let key = SecretString::from(konektor_bridge::sandbox::DEFAULT_KEY);
//! // `base` is https://konektor.id; all that calls for one workspace shares its permits.
//! let permits = Arc::new(LocalPermits::new(Pace::Prompt));
//! let api = Api::new(&base, Arc::new(move || key.clone()), permits)?;
//!
//! let body = LeadBody { first_name: Some("Siti".into()), phone: Some("+6281200010002".into()), ..LeadBody::default() };
//! let made = api.create(&body).await?;
//! println!("{} (request {:?})", made.data.id, made.meta.request_id);
//!
//! let new = LeadFilter { status: Some(Status::New), ..LeadFilter::default() };
//! let leads: Vec<_> = api.all_leads(new).try_collect().await?;
//! assert_eq!(leads[0].id, made.data.id);
//! # sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants, and the tests that hold them
//!
//! 1. **A 2xx is sent only after the webhook is durable.** A record leaves the inbox only in the step that puts all its
//!    items into lanes, or it, whole, among the dead letters. `tests/soak` kills the bridge at random moments and
//!    counts; `tests/power` cuts the power of its disk; `tests/bridge/store` holds both backends to each step.
//! 2. **[`providers::Verified`] is made by verifying** and by nothing else but the inbox giving back what was verified, or
//!    what was read from the sender's own list with the owner's token; splitting takes nothing else. A source without a secret is off. `tests/bridge/{fixtures,vectors,dialects}.rs`.
//! 3. **The same event twice is one event**, decided in the atomic step that sorts.
//!    `delivery::the_same_webhook_five_times_is_one_lead`.
//! 4. **A claim is a lease with an end and a fence**; settling with a stale fence changes nothing.
//!    `tests/bridge/store/fences.rs`; `broken.rs` there takes the check away and sees them fail, and so does
//!    `simulation::without_the_fence_it_is_noticed`.
//! 5. **Before a POST its intent is durable**; a lane with an open intent may search but not POST. A store that may have
//!    forgotten one searches, too. `deliver::plan::tests::an_open_intent_is_searched_for_and_never_posted_over`,
//!    `tests/bridge/reconciliation.rs`; `tests/bridge/simulation` plays several engines through whatever goes wrong, and
//!    looks at every POST. So is which lead a lane adopts before that is written into: `tests/bridge/store/adopting.rs`.
//! 6. **A lane ends its events as delivered, withheld or dead**, and a dead letter has a reason a person can act on, its
//!    attempts, and the sender's own bytes.
//!    `delivery::a_refused_lead_is_a_dead_letter_that_can_be_repaired_and_replayed`.
//! 7. **Pure modules do no I/O and ask no clock**: `domain`, `providers`, `konektor` but for its transport, `deliver::engine`
//!    and all that it decides with, `store::{lane, limit}`. `tests/bridge/house.rs`, `.clippy.toml`.
//! 8. **Personal data is in the store and on the wire to Konektor**, nowhere else: every type that holds it has a
//!    `Debug` that does not show it, and errors say where, never what.
//! 9. **A status is sent only when a rule says so, and never backwards**, because statuses fire paid ad events: from where
//!    it stood when the lead was last read, which is moments ago
//!    (`deliver::engine::tests::an_update_that_had_to_wait_for_its_permit_is_made_from_what_the_lead_is_then`); `won` only
//!    when the sender says that it was paid. `delivery::each_sender_s_webhook_becomes_a_lead_with_one_create`,
//!    `deliver::plan::fields`, `domain::rules::tests::nothing_is_won_that_the_sender_does_not_say_is_paid`.
//! 10. *Deliberately absent*: global state, plugin loading, a second queue, macros of our own, our own copy of what a
//!     well-kept crate does.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod domain;
pub mod http;
pub mod konektor;
pub mod loopback;
pub mod metrics;
pub mod ops;
pub mod outbound;
pub mod providers;
pub mod receive;
pub mod sandbox;
pub mod servers;
pub mod store;
pub mod telemetry;
