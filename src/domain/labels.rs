//! What a form field is about, by its label or key: Indonesian and English, as real forms write them.
//!
//! A label matches only when *every* word of it belongs to the topic: `Nama perusahaan`, `nama anak` and `email subject` hold a
//! word of a topic, and are about something else.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::attribution;
use super::submission::Meaning;
use super::text::is_among;

/// The most telling words of a label that is still of one topic. A longer one is a question or a nuisance, and each word
/// of it would be looked up in every list.
const MAX_WORDS: usize = 12;

/// What a field means, by the label that a person reads and the key that the sender calls it.
///
/// The label counts first. The key is asked only when the label says nothing of a name, an address or a number: a form
/// builder keeps the key `name` when the label becomes `Nama perusahaan`.
#[must_use]
pub fn meaning(key: &str, label: &str) -> Option<Meaning> {
    match About::of(label) {
        About::Known(meaning) => Some(meaning),
        About::SomethingElse => None,
        About::Unknown if key == label => None,
        About::Unknown => match About::of(key) {
            About::Known(meaning) => Some(meaning),
            About::SomethingElse | About::Unknown => None,
        },
    }
}

/// What is left of a label without case, accents, punctuation and spelling: `No. HP`, `no_hp` and `noHp` are the same.
#[must_use]
pub fn plain(label: &str) -> String {
    let words = words(label);
    if words.is_empty() { label.trim().to_owned() } else { words.join(" ") }
}

/// What a label tells.
enum About {
    Known(Meaning),
    /// Has a word of a topic, but is not of the topic.
    SomethingElse,
    Unknown,
}

impl About {
    fn of(label: &str) -> Self {
        let all = words(label);
        if attribution::is_label_of(&all, label) {
            return Self::Known(Meaning::Attribution);
        }
        let telling = all.iter().map(String::as_str).filter(|word| !is_among(NOISE, word));
        let words = telling.take(MAX_WORDS + 1).collect::<Vec<_>>();
        match topic(&words).filter(|_| words.len() <= MAX_WORDS) {
            Some(meaning) => Self::Known(meaning),
            None if has(&words, &[NAME, EMAIL, PHONE]) => Self::SomethingElse,
            None => Self::Unknown,
        }
    }
}

fn topic(words: &[&str]) -> Option<Meaning> {
    if words.is_empty() {
        return None;
    }
    let phrase = words.join(" ");
    if is_among(DROPPED, &phrase) || phrase.starts_with("government issued id") {
        return Some(Meaning::Drop);
    }
    if is_among(MESSAGE_PHRASES, &phrase) {
        return Some(Meaning::Message);
    }
    if is_among(VALUE_PHRASES, &phrase) {
        return Some(Meaning::EstimatedValue);
    }
    if is_among(PHONE_PHRASES, &phrase) {
        return Some(Meaning::Phone);
    }
    name(words).or_else(|| email(words)).or_else(|| phone(words))
}

fn name(words: &[&str]) -> Option<Meaning> {
    let (first, last) = (has(words, &[FIRST_NAME, GIVEN]), has(words, &[LAST_NAME, FAMILY]));
    let is_name = has(words, &[NAME, FIRST_NAME, LAST_NAME]);
    let only_names = all(words, &[NAME, FIRST_NAME, LAST_NAME, GIVEN, FAMILY, NAME_FILLER]);
    (is_name && only_names).then_some(match (first, last) {
        (true, false) => Meaning::FirstName,
        (false, true) => Meaning::LastName,
        (true, true) | (false, false) => Meaning::FullName,
    })
}

fn email(words: &[&str]) -> Option<Meaning> {
    let is_email = has(words, &[EMAIL]) || words == ["mail"];
    let only_email = all(words, &[EMAIL, EMAIL_FILLER, SECOND]);
    let second = has(words, &[SECOND]);
    (is_email && only_email).then_some(if second { Meaning::WorkEmail } else { Meaning::Email })
}

fn phone(words: &[&str]) -> Option<Meaning> {
    let is_phone = has(words, &[PHONE]);
    let only_phone = all(words, &[PHONE, PHONE_FILLER, SECOND]);
    let second = has(words, &[SECOND]);
    (is_phone && only_phone).then_some(if second { Meaning::WorkPhone } else { Meaning::Phone })
}

fn has(words: &[&str], lists: &[&str]) -> bool {
    words.iter().any(|word| lists.iter().any(|list| is_among(list, word)))
}

fn all(words: &[&str], lists: &[&str]) -> bool {
    words.iter().all(|word| lists.iter().any(|list| is_among(list, word)))
}

/// The words of a label: lower case, no accents, no punctuation; `camelCase`, `snake_case` and `kebab-case` are several words,
/// `q3_nama` (Jotform) is `nama`.
pub(super) fn words(label: &str) -> Vec<String> {
    let plain = label.chars().take(300).nfkd().filter(|c| !is_combining_mark(*c)).collect::<Vec<_>>();
    let mut words = vec![String::new()];
    for (at, c) in plain.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| plain[at]);
        let after = plain.get(at + 1).copied();
        let begins = !c.is_alphanumeric() || c.is_uppercase() && begins_word(before, after);
        if begins {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    let is_number =
        |word: &String| word.strip_prefix('q').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if words.len() > 1 && words.first().is_some_and(is_number) {
        words.remove(0);
    }
    join_compounds(words)
}

/// Makes one word of those that are written as two: `e-mail`, `WhatsApp`, `hand phone`.
fn join_compounds(words: Vec<String>) -> Vec<String> {
    let mut joined = Vec::<String>::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(before)
                if matches!(
                    (before.as_str(), word.as_str()),
                    ("e", "mail") | ("whats", "app") | ("hand", "phone") | ("reply", "to")
                ) =>
            {
                before.push_str(&word);
            }
            Some(_) | None => joined.push(word),
        }
    }
    joined
}

/// True for the `N` in `fullName` and the `A` in `WAAktif`, false inside `HP` and `EMAIL`.
fn begins_word(before: Option<char>, after: Option<char>) -> bool {
    let before_is = |of: fn(char) -> bool| before.is_some_and(of);
    before_is(char::is_lowercase) || before_is(char::is_uppercase) && after.is_some_and(char::is_lowercase)
}

/// Words that say nothing of the topic: to whom the question is put, that an answer is wanted, and how.
const NOISE: &str = "\
    your, my, anda, kamu, saya, nya, aktif, active, valid, wajib, required, optional, opsional, mandatory, \
    diisi, isi, isikan, please, enter, masukkan, masukan, tulis, tuliskan, mohon, silakan, silahkan, what, is";

/// Words that make a label one of a person's name.
const NAME: &str = "name, names, nama, fullname, namalengkap, yourname, namaanda";
const FIRST_NAME: &str = "firstname, fname, forename, givenname, namadepan, prename";
const LAST_NAME: &str = "lastname, lname, surname, familyname, namabelakang, namakeluarga";
const GIVEN: &str = "first, given, depan";
const FAMILY: &str = "last, family, belakang, keluarga, akhir";
const NAME_FILLER: &str = "\
    full, lengkap, complete, sesuai, ktp, identitas, contact, kontak, person, customer, client, klien, \
    pelanggan, pemesan, pembeli, siapa, and, dan, or, atau";

/// `_replyto` is what Formspree's forms call the address.
const EMAIL: &str = "email, emails, surel, emailaddress, youremail, workemail, replyto";
const EMAIL_FILLER: &str = "\
    mail, alamat, address, id, contact, kontak, customer, personal, pribadi, primary, utama, or, atau";

const PHONE: &str = "\
    hp, wa, whatsapp, whatsap, watsapp, telepon, telpon, telefon, telfon, telephone, telp, tlp, tlpn, tel, \
    phone, mobile, handphone, hape, ponsel, seluler, cell, cellphone, cellular, phonenumber, mobilenumber, \
    mobilephone, telephonenumber, whatsappnumber, nohp, nomorhp, nowa, nomorwa, notelp, notelepon, nomortelepon, \
    workphone";
const PHONE_FILLER: &str = "\
    no, nomor, nomer, num, number, nr, contact, kontak, customer, personal, pribadi, primary, utama, 1, or, \
    atau, and, dan";
/// Fields for numbers without a word of [`PHONE`].
const PHONE_PHRASES: &str = "kontak, no kontak, nomor kontak, contact number, contact no, nomor yang bisa dihubungi";

/// Words that make an address or number the second one.
const SECOND: &str = "\
    work, workemail, workphone, kantor, kerja, office, business, bisnis, company, perusahaan, corporate, \
    professional, home, rumah, 2, second, kedua, alternatif, alternative, other, lain";

const MESSAGE_PHRASES: &str = "\
    pesan, pesan tambahan, message, messages, additional message, komentar, comment, comments, catatan, \
    catatan tambahan, note, notes, additional notes, additional comments, additional information, \
    informasi tambahan, keterangan, keterangan tambahan, kebutuhan, ceritakan kebutuhan, pertanyaan, question, \
    questions, inquiry, enquiry, keluhan, feedback, remarks, how can we help, how can we help you, \
    ada yang bisa kami bantu, apa yang bisa kami bantu";

const VALUE_PHRASES: &str = "\
    budget, anggaran, estimasi, estimasi budget, estimasi anggaran, estimasi biaya, estimasi harga, \
    perkiraan budget, perkiraan anggaran, kisaran budget, range budget, berapa budget, estimated budget, \
    estimated value, estimatedvalue, deal value, value, amount";

/// Never kept: captcha tokens and passwords, and the numbers of identity papers, which have no place in a sales note
/// (Google's `GOVERNMENT_ISSUED_ID_…`; UU 27/2022 for the Indonesian ones). A rule for the field keeps them after all.
const DROPPED: &str = "\
    g recaptcha response, h captcha response, cf turnstile response, password, kata sandi, nik, no nik, \
    nomor nik, ktp, no ktp, nomor ktp, nik ktp, no nik ktp, nomor induk kependudukan, no kk, nomor kk, npwp, \
    no npwp, nomor npwp, no paspor, nomor paspor, passport number, ssn, social security number";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(label: &str) -> Option<Meaning> {
        meaning(label, label)
    }

    fn every(labels: &[&str], meaning: Meaning) {
        for label in labels {
            assert_eq!(of(label), Some(meaning), "{label:?}");
        }
    }

    #[test]
    fn names_are_found() {
        every(
            &[
                "nama",
                "Nama:",
                "NAMA LENGKAP*",
                "Nama Anda",
                "nama_lengkap",
                "namaLengkap",
                "Full Name",
                "full_name",
                "FULL_NAME",
                "fullName",
                "fullname",
                "your-name",
                "[your-name]",
                "name",
                "Contact Name",
                "Nama lengkap (wajib diisi)",
                "Nama Lengkap sesuai KTP",
                "Nama / Name",
                "What is your name?",
                "Siapa nama kamu?",
                "Nama Pemesan",
                "q3_nama",
                "First and last name",
                "Nàma",
                "Masukkan nama Anda",
                "ＮＡＭＡ",
            ],
            Meaning::FullName,
        );
        every(
            &[
                "First Name",
                "first_name",
                "firstName",
                "FIRST_NAME",
                "Nama Depan",
                "given name",
                "names.first_name",
                "fname",
            ],
            Meaning::FirstName,
        );
        every(
            &["Last Name", "last-name", "lastname", "Nama belakang", "surname", "Family Name", "names[last_name]"],
            Meaning::LastName,
        );
    }

    #[test]
    fn addresses_are_found() {
        every(
            &[
                "email",
                "E-mail",
                "EMAIL",
                "e_mail",
                "your-email",
                "Alamat Email",
                "surel",
                "Email Address",
                "$email",
                "eMail",
                "Email aktif (wajib)",
                "Alamat surel",
                "contact email",
                "emailAddress",
                "Personal Email",
                "Email (optional)",
                "_replyto",
                "Reply-To",
                "_email",
            ],
            Meaning::Email,
        );
        every(
            &["work_email", "WORK_EMAIL", "Email Kantor", "Business Email", "Email Perusahaan", "email 2"],
            Meaning::WorkEmail,
        );
    }

    #[test]
    fn numbers_are_found() {
        every(
            &[
                "hp",
                "No HP",
                "No. HP",
                "no_hp",
                "noHP",
                "noHp",
                "Nomor HP",
                "No. WA",
                "Nomor WA aktif",
                "WA Aktif",
                "WhatsApp",
                "No. HP / WA",
                "No HP (WhatsApp)",
                "Nomor WhatsApp Anda *",
                "Telepon",
                "No Telp",
                "telp",
                "phone",
                "Phone Number",
                "PHONE_NUMBER",
                "phoneNumber",
                "mobile",
                "Handphone",
                "tel",
                "your-phone",
                "Mobile Phone",
                "Contact Number",
                "nomor yang bisa dihubungi",
                "Nomor Telepon/HP",
                "q5_noHp",
                "Nomor WA kamu?",
            ],
            Meaning::Phone,
        );
        every(
            &["work_phone_number", "WORK_PHONE", "Telepon kantor", "Office phone", "Home phone", "No HP 2"],
            Meaning::WorkPhone,
        );
    }

    #[test]
    fn messages_and_values_are_found() {
        every(
            &[
                "pesan",
                "Pesan Anda",
                "your-message",
                "Message",
                "Comments",
                "Catatan",
                "Kebutuhan",
                "Isi pesan",
                "notes",
                "Keterangan",
            ],
            Meaning::Message,
        );
        every(
            &["budget", "Anggaran", "Estimasi", "estimated_value", "Estimated Budget", "value"],
            Meaning::EstimatedValue,
        );
    }

    #[test]
    fn what_only_looks_like_it_is_not_taken() {
        for label in [
            "Nama perusahaan",
            "company_name",
            "Company Name",
            "nama anak",
            "nama produk",
            "Nama Usaha",
            "Nama Panggilan",
            "Nama ibu",
            "username",
            "user_name",
            "User Name",
            "form_name",
            "event name",
            "Nama (perusahaan)",
            "Nama Penerima Paket",
            "email subject",
            "Email consent",
            "email_opt_in",
            "Mailing address",
            "Alamat",
            "address",
            "id",
            "no",
            "No.",
            "number",
            "Nomor",
            "No. Rumah",
            "No HP orang tua",
            "nomor antrian",
            "phone model",
            "Merk HP",
            "Grup WA",
            "contact",
            "contact person",
            "first",
            "last",
            "e",
            "",
            "*",
            "wajib",
            "Budget per bulan atau tahun",
            "Subject",
            "company",
            "Tipe HP",
            "Apakah Anda punya nama domain?",
            "unique_code",
            "uniqueCode",
        ] {
            assert_eq!(of(label), None, "{label:?}");
        }
    }

    #[test]
    fn a_label_of_many_words_is_of_no_topic() {
        assert_eq!(of(&"nama ".repeat(MAX_WORDS)), Some(Meaning::FullName));
        assert_eq!(of(&"nama ".repeat(MAX_WORDS + 1)), None);
        assert_eq!(meaning("nama", &"nama ".repeat(MAX_WORDS + 1)), None, "it is about something else");
    }

    #[test]
    fn the_label_is_believed_before_the_key() {
        assert_eq!(meaning("name", "Nama Perusahaan"), None);
        assert_eq!(meaning("field_7f3a", "Nama lengkap"), Some(Meaning::FullName));
        assert_eq!(meaning("nama", "Dengan siapa kami bicara?"), Some(Meaning::FullName));
        assert_eq!(meaning("hp", ""), Some(Meaning::Phone));
        assert_eq!(meaning("email", "Nama"), Some(Meaning::FullName));
    }

    #[test]
    fn tokens_and_identity_numbers_are_dropped() {
        every(
            &[
                "g-recaptcha-response",
                "cf-turnstile-response",
                "NIK",
                "No. KTP",
                "password",
                "GOVERNMENT_ISSUED_ID_CPF_BR",
                "NPWP",
            ],
            Meaning::Drop,
        );
    }

    #[test]
    fn attribution_is_found() {
        every(
            &["gclid", "utm_source", "UTM Source", "Page URL", "$current_url", "_fbc", "utmCampaign"],
            Meaning::Attribution,
        );
    }

    #[test]
    fn spelling_does_not_make_two_labels() {
        assert_eq!(["No. HP", "no_hp", "noHp", "NO-HP"].map(plain), ["no hp"; 4]);
        assert_eq!(["No. HP 2", " ??? "].map(plain), ["no hp 2", "???"]);
    }

    proptest! {
        #[test]
        fn any_label_can_be_asked(key in ".{0,60}", label in ".{0,400}") {
            let _ = (meaning(&key, &label), plain(&label));
        }

        #[test]
        fn an_unknown_word_spoils_a_match(label in prop::sample::select(vec!["Nama", "Email", "No HP", "Full name"]), word in "x[a-z]{3,8}q") {
            let (before, after) = (format!("{word} {label}"), format!("{label} {word}"));
            prop_assert_eq!(of(&before), None);
            prop_assert_eq!(of(&after), None);
        }
    }
}
