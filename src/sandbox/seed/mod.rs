//! A workspace as it looks after three months of work: leads from several campaigns and channels, in every status, by the
//! rhythm of days and weeks. The same seed and date make the same leads.

mod people;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strum::VariantArray;

use self::people::Person;
use super::agent::conversions::{Ending, Sync, TAKES};
use super::agent::fields::{Field, Fields};
use super::agent::rule::Datum;
use super::records::lead::Planted;
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};

/// How many leads there are to be, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeding {
    /// So many leads.
    pub leads: u32,
    /// They came in the so many days before today.
    pub days: u32,
    /// Another seed makes other leads.
    pub seed: u64,
}

impl Default for Seeding {
    fn default() -> Self {
        Self { leads: 1_000, days: 90, seed: 0 }
    }
}

/// What brings leads: a campaign that ran from so many days ago until so many days ago, or no campaign.
struct Channel {
    weight: u32,
    source: LeadSource,
    platform: Option<AdPlatform>,
    campaign: Option<&'static str>,
    /// The shares of the time, in percent, between which it ran.
    ran: (u32, u32),
}

const fn ads(weight: u32, platform: AdPlatform, campaign: &'static str, ran: (u32, u32)) -> Channel {
    Channel { weight, source: LeadSource::Ads, platform: Some(platform), campaign: Some(campaign), ran }
}

const fn unpaid(weight: u32, source: LeadSource) -> Channel {
    Channel { weight, source, platform: None, campaign: None, ran: (0, 100) }
}

const CHANNELS: [Channel; 14] = [
    ads(24, AdPlatform::Meta, "Promo Akhir Tahun", (40, 100)),
    ads(16, AdPlatform::Meta, "Lead Form Rumah Subsidi", (0, 100)),
    ads(10, AdPlatform::Meta, "Promo Merdeka", (0, 45)),
    ads(12, AdPlatform::Google, "Search Rumah Murah", (0, 100)),
    ads(6, AdPlatform::Google, "Brand Awareness", (20, 80)),
    ads(9, AdPlatform::Tiktok, "Video Testimoni", (55, 100)),
    ads(3, AdPlatform::Linkedin, "Kavling Industri", (30, 100)),
    unpaid(14, LeadSource::Whatsapp),
    unpaid(12, LeadSource::Website),
    unpaid(3, LeadSource::Phone),
    unpaid(2, LeadSource::Email),
    unpaid(5, LeadSource::Referral),
    unpaid(3, LeadSource::Social),
    unpaid(2, LeadSource::Event),
];

/// How many of a hundred leads end in each status when they are given the time, and the days they take to get there.
const ENDS: [(Status, u32, i64); 11] = [
    (Status::Pageview, 4, 0),
    (Status::New, 9, 0),
    (Status::Contacted, 14, 0),
    (Status::Responded, 11, 1),
    (Status::Qualified, 10, 2),
    (Status::Hot, 6, 3),
    (Status::Proposal, 8, 5),
    (Status::Negotiation, 5, 8),
    (Status::Invoice, 3, 12),
    (Status::Won, 12, 14),
    (Status::Lost, 18, 7),
];

/// How busy each hour of a day is.
const HOURS: [u32; 24] = [2, 1, 1, 1, 2, 4, 6, 8, 10, 12, 13, 12, 10, 11, 11, 10, 10, 9, 10, 12, 13, 11, 7, 4];

/// The team. Nobody's ids.
const TEAM: [&str; 5] = [
    "6f1c0b7e-0000-4000-8000-000000000001",
    "6f1c0b7e-0000-4000-8000-000000000002",
    "6f1c0b7e-0000-4000-8000-000000000003",
    "6f1c0b7e-0000-4000-8000-000000000004",
    "6f1c0b7e-0000-4000-8000-000000000005",
];

/// What somebody wrote down after a call.
const NOTES: [&str; 6] = [
    "Minta brosur lewat WhatsApp",
    "Tanya simulasi KPR 15 tahun",
    "Mau survei lokasi akhir pekan",
    "Masih menunggu persetujuan suami",
    "Bandingkan dengan proyek sebelah",
    "Telepon lagi minggu depan",
];

impl Seeding {
    /// The leads on the clocks of `zone`, oldest first. The last came yesterday, so that it does not matter at what time of
    /// the day `now` is.
    pub(super) fn leads(self, now: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Planted> {
        let today = zone.to_datetime(now).date();
        let mut dice = Dice::of(self.seed, today);
        let days = i64::from(self.days.max(1));
        let mut arrivals: Vec<_> = (0..self.leads).map(|_| dice.arrival(today, days, zone)).collect();
        arrivals.sort_unstable();
        let midnight = zone.to_timestamp(today.at(0, 0, 0, 0)).unwrap_or(now);
        let zone = zone.clone();
        arrivals.into_iter().enumerate().map(move |(at, arrival)| {
            let day = zone.to_datetime(arrival).date();
            let elapsed = 100 - u32::try_from((today - day).get_days().max(0)).unwrap_or(0) * 100 / self.days.max(1);
            Sketch { at, arrival, elapsed, midnight }.lead(self.seed, &mut dice)
        })
    }
}

/// One lead to be made.
struct Sketch {
    /// Its number, from 0.
    at: usize,
    arrival: Timestamp,
    /// How much of the time had gone by when it came, in percent.
    elapsed: u32,
    /// The end of all that happened.
    midnight: Timestamp,
}

impl Sketch {
    fn lead(&self, seed: u64, dice: &mut Dice) -> Planted {
        let channel = dice.channel(self.elapsed);
        let status = self.status(dice);
        let updated_at = self.updated(status, dice);
        let mut fields = self.person(seed, channel, dice);
        fields.extend(deal(status, dice));
        let text = |text: &str| Some(Datum::Text(text.to_owned()));
        fields.insert(Field::Source, text(channel.source.into()));
        fields.insert(Field::AdPlatform, channel.platform.and_then(|platform| text(platform.into())));
        Planted {
            fields,
            campaign: channel.campaign.map(str::to_owned),
            created_at: self.arrival,
            updated_at,
            sync: channel.platform.map(|_| self.sync(updated_at, dice)),
        }
    }

    /// The first leads go through all statuses, so that even a small workspace has each.
    fn status(&self, dice: &mut Dice) -> Status {
        if let Some(status) = Status::VARIANTS.get(self.at) {
            return *status;
        }
        let age = self.midnight.duration_since(self.arrival).as_hours() / 24;
        let (status, _, days) = dice.weighted(&ENDS, |(_, weight, _)| *weight);
        if *days <= age { *status } else { Status::Contacted }
    }

    fn updated(&self, status: Status, dice: &mut Dice) -> Timestamp {
        if matches!(status, Status::Pageview | Status::New) {
            return self.arrival;
        }
        let left = self.midnight.duration_since(self.arrival).as_secs().clamp(1, 21 * 24 * 3600);
        self.arrival + SignedDuration::from_secs(dice.0.random_range(0..left))
    }

    /// Most are sent on within a minute; of those of the last two days some still wait.
    fn sync(&self, updated: Timestamp, dice: &mut Dice) -> Sync {
        let ending = *dice.one(&[(90, Ending::Synced), (6, Ending::Partial), (4, Ending::Failed)]);
        let recent = self.midnight.duration_since(updated) < SignedDuration::from_hours(48);
        let late = recent && dice.in_hundred(30);
        let due = if late { self.midnight + SignedDuration::from_hours(48) } else { updated + TAKES };
        Sync { due, ending, before: None }
    }

    /// Who it is, and how the lead is known.
    fn person(&self, seed: u64, channel: &Channel, dice: &mut Dice) -> Fields {
        let person = Person::of(seed, self.at, &mut dice.0);
        let mut fields = Fields::new();
        let mut put = |field, text: String| _ = fields.insert(field, Some(Datum::Text(text)));
        put(Field::UniqueCode, format!("KNK-{:06}", self.at + 1));
        put(Field::FirstName, person.first.to_owned());
        if let Some(last) = person.last {
            put(Field::LastName, last.to_owned());
        }
        // Who writes by WhatsApp or calls has a number and seldom an address.
        if !matches!(channel.source, LeadSource::Whatsapp | LeadSource::Phone) || dice.in_hundred(10) {
            put(Field::Email, person.email);
        }
        if channel.source == LeadSource::Whatsapp {
            put(Field::ExternalRef, format!("wa:{}", person.phone));
        } else if let Some(platform) = channel.platform {
            put(Field::ExternalRef, format!("{platform}:lead:{}", 900_000_000_000 + self.at));
        }
        put(Field::Phone, person.phone);
        fields
    }
}

/// What somebody has made of the lead so far.
fn deal(status: Status, dice: &mut Dice) -> Fields {
    let text = |text: &str| Some(Datum::Text(text.to_owned()));
    let mut fields = Fields::from([(Field::Status, text(status.into()))]);
    let priority =
        dice.one(&[(20, Priority::Low), (55, Priority::Medium), (20, Priority::High), (5, Priority::Urgent)]);
    fields.insert(Field::Priority, text((*priority).into()));
    if matches!(status, Status::Pageview | Status::New) {
        return fields;
    }
    fields.insert(Field::AssignedTo, text(TEAM[dice.0.random_range(0..TEAM.len())]));
    if dice.in_hundred(40) {
        fields.insert(Field::Notes, text(NOTES[dice.0.random_range(0..NOTES.len())]));
    }
    // In steps of Rp 250.000, up to Rp 75.000.000.
    let value = f64::from(dice.0.random_range(2..=300_u32)) * 250_000.0;
    if dice.in_hundred(70) {
        fields.insert(Field::EstimatedValue, Some(Datum::Number(value)));
    }
    if status == Status::Won && dice.in_hundred(90) {
        fields.insert(Field::ActualValue, Some(Datum::Number((value * 0.95).round())));
    }
    fields
}

/// Where all chance comes from.
struct Dice(StdRng);

impl Dice {
    fn of(seed: u64, day: Date) -> Self {
        let day = u64::from(day.day_of_year().unsigned_abs()) + 1_000 * u64::from(day.year().unsigned_abs());
        Self(StdRng::seed_from_u64(seed.rotate_left(32) ^ day))
    }

    fn in_hundred(&mut self, chances: u32) -> bool {
        self.0.random_range(0..100) < chances
    }

    fn weighted<'a, T>(&mut self, all: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
        let mut at = self.0.random_range(0..all.iter().map(&weight).sum::<u32>());
        let chosen = all.iter().find(|one| {
            let here = weight(one);
            let found = at < here;
            at = at.saturating_sub(here);
            found
        });
        chosen.expect("the draw is below the sum of the weights")
    }

    fn one<'a, T>(&mut self, all: &'a [(u32, T)]) -> &'a T {
        &self.weighted(all, |(weight, _)| *weight).1
    }

    /// A channel that ran when so many percent of the time had gone by.
    fn channel(&mut self, elapsed: u32) -> &'static Channel {
        self.weighted(
            &CHANNELS,
            |channel| {
                if (channel.ran.0..=channel.ran.1).contains(&elapsed) { channel.weight } else { 0 }
            },
        )
    }

    /// A time within the `days` before `today`: more of late, fewer at the weekend and at night.
    fn arrival(&mut self, today: Date, days: i64, zone: &TimeZone) -> Timestamp {
        let ago = loop {
            let ago = self.0.random_range(1..=days);
            let weekend = matches!(today.saturating_sub(ago.days()).weekday(), Weekday::Saturday | Weekday::Sunday);
            let growth = 60 + 40 * (days - ago) / days;
            let chances = if weekend { growth / 2 } else { growth };
            if self.in_hundred(u32::try_from(chances).expect("20 to 100")) {
                break ago;
            }
        };
        let hours: [i8; 24] = std::array::from_fn(|hour| i8::try_from(hour).expect("below 24"));
        let hour = *self.weighted(&hours, |hour| HOURS[usize::from(hour.unsigned_abs())]);
        let (minute, second, millisecond) =
            (self.0.random_range(0..60), self.0.random_range(0..60), self.0.random_range(0..1_000));
        let local = today.saturating_sub(ago.days()).at(hour, minute, second, millisecond * 1_000_000);
        zone.to_timestamp(local).expect("a day within a few months of a clock's")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOON: &str = "2026-11-23T05:00:00Z";

    fn leads(seeding: Seeding, now: &str) -> Vec<Planted> {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        seeding.leads(now.parse().unwrap(), &zone).collect()
    }

    fn words(leads: &[Planted], field: Field) -> HashSet<String> {
        let text = |lead: &Planted| match lead.fields.get(&field) {
            Some(Some(Datum::Text(text))) => Some(text.clone()),
            _ => None,
        };
        leads.iter().filter_map(text).collect()
    }

    #[test]
    fn the_same_seed_and_date_make_the_same_leads() {
        let seeding = Seeding { leads: 50, ..Seeding::default() };
        let first = leads(seeding, NOON);
        assert_eq!(leads(seeding, "2026-11-23T16:59:59Z"), first, "at whatever time of the day");
        assert_ne!(leads(seeding, "2026-11-24T05:00:00Z"), first);
        assert_ne!(leads(Seeding { seed: 1, ..seeding }, NOON), first);
    }

    #[test]
    fn they_come_in_order_within_the_days_before_today() {
        let all = leads(Seeding::default(), NOON);
        assert_eq!(all.len(), 1_000);
        assert!(all.is_sorted_by_key(|lead| lead.created_at));
        let midnight: Timestamp = "2026-11-22T17:00:00Z".parse().unwrap();
        assert!(all.iter().all(|lead| lead.created_at <= lead.updated_at && lead.updated_at < midnight));
        assert!(all[0].created_at >= midnight - SignedDuration::from_hours(90 * 24));
        assert!(all[0].created_at < midnight - SignedDuration::from_hours(80 * 24));
    }

    #[test]
    fn even_a_small_workspace_has_every_status_and_a_usual_one_all_channels() {
        let small = leads(Seeding { leads: 11, ..Seeding::default() }, NOON);
        assert_eq!(words(&small, Field::Status).len(), Status::VARIANTS.len());
        let usual = leads(Seeding::default(), NOON);
        let campaigns: HashSet<_> = usual.iter().filter_map(|lead| lead.campaign.as_ref()).collect();
        assert_eq!(campaigns.len(), 7);
        assert_eq!(words(&usual, Field::Source).len(), 8);
        assert_eq!(words(&usual, Field::Priority).len(), Priority::VARIANTS.len());
        for ending in [Ending::Synced, Ending::Partial, Ending::Failed] {
            assert!(usual.iter().filter_map(|lead| lead.sync).any(|sync| sync.ending == ending), "{ending}");
        }
        let now: Timestamp = NOON.parse().unwrap();
        assert!(usual.iter().filter_map(|lead| lead.sync).any(|sync| sync.due > now), "some are on their way");
    }

    #[test]
    fn every_field_passes_its_own_rule_and_no_two_have_the_same_number() {
        let all = leads(Seeding { leads: 2_000, ..Seeding::default() }, NOON);
        for lead in &all {
            for (field, datum) in lead.fields.iter().filter_map(|(field, datum)| Some((*field, datum.as_ref()?))) {
                let value = super::super::agent::lead::plain(Some(datum));
                assert!(field.rule().read(&value).is_ok(), "{field}: {value}");
            }
        }
        assert_eq!(words(&all, Field::Phone).len(), all.len());
    }
}
