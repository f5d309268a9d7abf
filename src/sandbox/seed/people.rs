//! People who do not exist: Indonesian names, addresses under `example.com` (reserved by RFC 2606), numbers from the bottom
//! of a range.

use rand::RngExt;
use rand::rngs::StdRng;

/// Given names as they are written in forms.
const GIVEN: [&str; 60] = [
    "Siti", "Budi", "Dewi", "Agus", "Rina", "Joko", "Putri", "Andi", "Sri", "Bayu", "Ayu", "Eko", "Ratna", "Dimas",
    "Wulan", "Hendra", "Lestari", "Rizky", "Nur", "Fajar", "Indah", "Yusuf", "Mega", "Arif", "Tri", "Galih", "Kartika",
    "Ilham", "Sari", "Wahyu", "Nia", "Reza", "Endang", "Bambang", "Yuni", "Dian", "Taufik", "Maya", "Slamet", "Fitri",
    "Gilang", "Ningsih", "Hadi", "Melati", "Doni", "Citra", "Iwan", "Ani", "Rahmat", "Tuti", "Surya", "Laras", "Heru",
    "Puspita", "Adi", "Intan", "Made", "Ketut", "Wayan", "Nyoman",
];

/// Second names.
const SECOND: [&str; 48] = [
    "Santoso",
    "Wijaya",
    "Lestari",
    "Pratama",
    "Kusuma",
    "Hidayat",
    "Nugroho",
    "Siregar",
    "Rahmawati",
    "Setiawan",
    "Aminah",
    "Permata",
    "Saputra",
    "Wulandari",
    "Hartono",
    "Simanjuntak",
    "Handayani",
    "Purnomo",
    "Susanti",
    "Gunawan",
    "Nasution",
    "Maharani",
    "Suryadi",
    "Anggraini",
    "Firmansyah",
    "Utami",
    "Prabowo",
    "Kurniawan",
    "Puspitasari",
    "Halim",
    "Lubis",
    "Safitri",
    "Wibowo",
    "Oktaviani",
    "Ramadhan",
    "Hasanah",
    "Situmorang",
    "Mulyani",
    "Budiman",
    "Astuti",
    "Sihombing",
    "Fauzi",
    "Yulianti",
    "Tanjung",
    "Marpaung",
    "Suharto",
    "Damayanti",
    "Ginting",
];

/// Numbers before they repeat.
const NUMBERS: usize = 1_000_000;

/// Somebody who does not exist.
pub(super) struct Person {
    pub(super) first: &'static str,
    /// One in six has one name only, as is usual in Indonesia.
    pub(super) last: Option<&'static str>,
    pub(super) email: String,
    pub(super) phone: String,
}

impl Person {
    /// The `at`th of the people of `seed`.
    pub(super) fn of(seed: u64, at: usize, dice: &mut StdRng) -> Self {
        let first = GIVEN[dice.random_range(0..GIVEN.len())];
        let second = SECOND[dice.random_range(0..SECOND.len())];
        let last = dice.random_ratio(5, 6).then_some(second);
        // Neighbours are far apart: 618 033 has no divisor in common with a million.
        let offset = usize::try_from(seed % 1_000_000).unwrap_or(0);
        let number = (at % NUMBERS * 618_033 + offset) % NUMBERS;
        let name = [Some(first), last].into_iter().flatten().collect::<Vec<_>>().join(".").to_lowercase();
        Self { first, last, email: format!("{name}.{}@example.com", at + 1), phone: format!("+6281200{number:06}") }
    }
}
