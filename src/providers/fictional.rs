//! People who do not exist, for samples: the same seed is the same person.

/// Given names as they are written in forms; some Indonesians have this one name only.
const GIVEN: [&str; 16] = [
    "Siti", "Budi", "Dewi", "Agus", "Rina", "Joko", "Putri", "Andi", "Sri", "Bayu", "Ayu", "Eko", "Ratna", "Dimas",
    "Wulan", "Hendra",
];

/// Second names; the empty ones make one-word names.
const SECOND: [&str; 12] = [
    "Aminah",
    "Santoso",
    "Lestari",
    "",
    "Wijaya",
    "Kusuma",
    "Rahmawati",
    "Nugroho",
    "",
    "Siregar",
    "Hidayat",
    "Permata",
];

/// Where they live.
const CITIES: [&str; 8] = ["Jakarta", "Surabaya", "Bandung", "Medan", "Semarang", "Makassar", "Yogyakarta", "Denpasar"];

/// What they want.
const INTERESTS: [&str; 6] = ["Rumah", "Ruko", "Apartemen", "Tanah kavling", "Villa", "Gudang"];

/// Somebody who does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The given name.
    pub first: &'static str,
    /// The rest of the name; empty for one-word names.
    pub last: &'static str,
    /// At `example.com`, which is reserved (RFC 2606).
    pub email: String,
    /// A mobile number as Indonesians write it, `0812-00NN-NNNN`: valid in form, from the bottom of the range.
    pub phone: String,
    /// A city.
    pub city: &'static str,
    /// What the person asks for.
    pub interest: &'static str,
}

impl Person {
    /// The person that `seed` stands for. Two seeds have two addresses; their numbers repeat after a million.
    pub(super) fn of(seed: u64) -> Self {
        let (first, last) = (pick(&GIVEN, seed, 1), pick(&SECOND, seed, 2));
        let number = seed % 1_000_000;
        Self {
            first,
            last,
            email: format!("{}.{seed}@example.com", first.to_lowercase()),
            phone: format!("0812-00{:02}-{:04}", number / 10_000, number % 10_000),
            city: pick(&CITIES, seed, 3),
            interest: pick(&INTERESTS, seed, 4),
        }
    }

    /// The name as one text.
    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.first, self.last).trim_end().to_owned()
    }

    /// What the person writes.
    pub(super) fn message(&self) -> String {
        format!("Halo, saya tertarik dengan {} di {}. Mohon infonya.", self.interest, self.city)
    }
}

/// One of `choices`, another for each `seed` and `purpose`.
fn pick(choices: &[&'static str], seed: u64, purpose: u64) -> &'static str {
    choices[(mixed(seed ^ purpose.rotate_left(56)) % choices.len() as u64) as usize]
}

/// Spreads neighbouring numbers over the whole range: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::phone::Phone;
    use crate::domain::region::Region;

    #[test]
    fn the_same_seed_is_the_same_person_and_another_is_another() {
        assert_eq!(Person::of(7), Person::of(7));
        let people: HashSet<_> = (0..1000).map(|seed| (Person::of(seed).email, Person::of(seed).phone)).collect();
        assert_eq!(people.len(), 1000);
    }

    #[test]
    fn some_have_one_name_only() {
        assert!((0..100).any(|seed| !Person::of(seed).full_name().contains(' ')));
    }

    #[test]
    fn every_number_is_a_valid_indonesian_one() {
        for seed in [0, 1, 42, 9_999, 123_456, 999_999, u64::MAX] {
            assert!(Phone::parse(&Person::of(seed).phone, Region::INDONESIA).is_ok(), "{seed}");
        }
    }
}
