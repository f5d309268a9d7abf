//! From what one submission says to Konektor's fields: which answer becomes which field, and what goes to the notes.

use super::attribution::{self, Attribution};
use super::email::Email;
use super::external_ref::ExternalRef;
use super::labels;
use super::lead::{Fields, Lead};
use super::money;
use super::name::{self, Name};
use super::notes::{Notes, Section};
use super::phone::Phone;
use super::region::Region;
use super::rules::{self, Rules};
use super::status::AdPlatform;
use super::submission::{Answer, Fact, Meaning, Submission};

/// Of so many pieces of an answer it is looked whether they are an address: nobody gives more, and strangers write megabytes.
const ADDRESSES: usize = 8;

/// Makes a lead of one submission, by the rules of its source.
///
/// What an answer means is decided by the source's `fields` rules, then by the sender, then by its label. The first answer
/// that can be read fills a field, personal addresses and numbers before those for work; every other answer, and whatever
/// the reading left out, stands in the notes under its label. Nothing is dropped but what [`Meaning::Drop`] says.
///
/// **Stated** is only what the person answered. The channel, the ad network, rule constants and a messenger's profile are
/// **guessed**: they create a lead and fill blanks, but a second message of the same person must not undo what the sales
/// staff changed since. For the first name the guesses are, in this order: profile name, user name, local part of the
/// e-mail address, and `Lead` with the end of the lead's id; so a create always has one. A phone number is not among them:
/// it stands in its own field, and as a name it would look like an answer.
#[must_use]
pub fn compose(submission: &Submission, external_ref: &ExternalRef, rules: &Rules, default_region: Region) -> Lead {
    let region = rules.region.unwrap_or(default_region);
    let mut form = Form::of(submission, rules);
    let stated = form.stated(rules, region);
    let attribution = Attribution::read(submission.attribution.iter().cloned().chain(form.attribution()).collect());
    let mut guessed = guessed(submission, rules, region, attribution.paid_by);
    let name = guessed_name(submission, rules, stated.email.as_deref().or(guessed.email.as_deref()));
    let name = name.unwrap_or_else(|| Name::stand_in(last_resort(submission, external_ref)));
    (guessed.first_name, guessed.last_name) = (Some(name.first), name.last);
    let mut notes = Notes::default();
    form.write_rest(&mut notes, submission);
    for fact in &attribution.facts {
        notes.add(Section::Attribution, &fact.label, &fact.value);
    }
    write_details(&mut notes, submission, &stated, &guessed);
    Lead { notes, ..Lead::of(external_ref.clone(), stated, guessed) }
}

/// What each answer of `submission` means by these rules, in their order.
pub(super) fn meanings(submission: &Submission, rules: &Rules) -> Vec<Option<Meaning>> {
    Form::of(submission, rules).answers.into_iter().map(|(_, meaning)| meaning).collect()
}

/// The answers of a submission, with what each means and whether a field holds all of it.
struct Form<'a> {
    answers: Vec<(&'a Answer, Option<Meaning>)>,
    is_used: Vec<bool>,
}

impl<'a> Form<'a> {
    fn of(submission: &'a Submission, rules: &Rules) -> Self {
        let by_spelling =
            rules.fields.iter().map(|(name, meaning)| (labels::plain(name), *meaning)).collect::<Vec<_>>();
        let meaning = |answer: &Answer| {
            by_rule(answer, rules, &by_spelling)
                .or(answer.meaning)
                .or_else(|| labels::meaning(&answer.key, &answer.label))
        };
        let answers = submission.answers.iter().map(|answer| (answer, meaning(answer))).collect::<Vec<_>>();
        Self { is_used: vec![false; answers.len()], answers }
    }

    /// What the person stated.
    fn stated(&mut self, rules: &Rules, region: Region) -> Fields {
        let name = self.name(rules);
        let (first_name, last_name) = name.map_or((None, None), |name| (Some(name.first), name.last));
        let amount = |text: &str| money::answered(text, region);
        Fields {
            first_name,
            last_name,
            email: self.email(),
            phone: self.phone(region),
            unique_code: self.take(&[Meaning::UniqueCode], rules::code),
            estimated_value: self.take(&[Meaning::EstimatedValue], amount),
            actual_value: self.take(&[Meaning::ActualValue], amount),
            ..Fields::default()
        }
    }

    fn name(&mut self, rules: &Rules) -> Option<Name> {
        let is_name = |text: &str| Name::whole(text, rules.names).map(|_| text.to_owned());
        if let Some((at, first)) = self.find(&[Meaning::FirstName], is_name) {
            let last = self.find(&[Meaning::LastName], is_name);
            let name = Name::parts(&first, last.as_ref().map_or("", |(_, last)| last), rules.names);
            self.use_if_short(at);
            let whole = [Some(first.as_str()), last.as_ref().map(|(_, last)| last.as_str())];
            self.use_same(&whole.into_iter().flatten().collect::<Vec<_>>().join(" "));
            last.into_iter().for_each(|(at, _)| self.use_if_short(at));
            return name;
        }
        let Some((at, text)) = self.find(&[Meaning::FullName], is_name) else {
            let (at, last) = self.find(&[Meaning::LastName], is_name)?;
            self.use_if_short(at);
            return Name::whole(&last, rules.names);
        };
        self.use_if_short(at);
        let Some((at, last)) = self.find(&[Meaning::LastName], is_name) else {
            return Name::whole(&text, rules.names);
        };
        self.use_if_short(at);
        Name::whole_and_last(&text, &last, rules.names)
    }

    /// Of several addresses in one answer the first counts, as of numbers; then the answer stays in the notes, too.
    fn email(&mut self) -> Option<String> {
        let only = |text: &str| Email::parse(text).ok();
        let first = |text: &str| text.split([',', ';']).take(ADDRESSES).find_map(only);
        let (at, (email, is_all)) = self.find(&[Meaning::Email, Meaning::WorkEmail], |text| {
            only(text).map(|email| (email, true)).or_else(|| Some((first(text)?, false)))
        })?;
        self.is_used[at] = is_all;
        Some(email.as_str().to_owned())
    }

    fn phone(&mut self, region: Region) -> Option<String> {
        let number = |text: &str| Phone::parse(text, region).ok();
        let (at, phone) = self.find(&[Meaning::Phone, Meaning::WorkPhone], number)?;
        self.is_used[at] = !phone.leaves_out(&self.answers[at].0.value);
        Some(phone.as_str().to_owned())
    }

    /// The first answer of the meanings, in their order, that can be read.
    fn find<T>(&self, meanings: &[Meaning], read: impl Fn(&str) -> Option<T>) -> Option<(usize, T)> {
        let of =
            |wanted: Meaning| self.answers.iter().enumerate().filter(move |(_, (_, meaning))| *meaning == Some(wanted));
        meanings.iter().flat_map(|meaning| of(*meaning)).find_map(|(at, (answer, _))| Some((at, read(&answer.value)?)))
    }

    /// [`Form::find`], and the answer needs no line in the notes.
    fn take<T>(&mut self, meanings: &[Meaning], read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, value) = self.find(meanings, read)?;
        self.is_used[at] = true;
        Some(value)
    }

    /// A name that is too long for its field stands in the notes too.
    fn use_if_short(&mut self, at: usize) {
        self.is_used[at] = self.answers[at].0.value.chars().nth(name::MAX_LEN).is_none();
    }

    /// A whole name that says no more than its parts needs no line in the notes.
    fn use_same(&mut self, whole: &str) {
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        for (at, (answer, meaning)) in self.answers.iter().enumerate() {
            if *meaning == Some(Meaning::FullName) && words(&answer.value) == words(whole) {
                self.is_used[at] = true;
            }
        }
    }

    /// The answers that are click ids, UTM values or page addresses, under the name that tells which.
    fn attribution(&self) -> impl Iterator<Item = Fact> {
        let of_attribution = self.answers.iter().filter(|(_, meaning)| *meaning == Some(Meaning::Attribution));
        of_attribution.map(|(answer, _)| {
            let label = if attribution::is_label(&answer.key) { &answer.key } else { label(answer) };
            Fact::new(label, &answer.value)
        })
    }

    /// Writes the answers that no field holds, in the order of the form.
    fn write_rest(&self, notes: &mut Notes, submission: &Submission) {
        if submission.is_test {
            notes.add(Section::Answers, "TEST", "the sender marks this lead as a test");
        }
        for ((answer, meaning), is_used) in self.answers.iter().zip(&self.is_used) {
            match meaning {
                Some(Meaning::Drop | Meaning::Attribution) => {}
                Some(Meaning::FullName | Meaning::FirstName | Meaning::LastName)
                    if name::is_placeholder(&answer.value) => {}
                Some(Meaning::Message) => match submission.submitted_at {
                    Some(at) => notes.say(at, label(answer), &answer.value),
                    None => notes.add(Section::Answers, label(answer), &answer.value),
                },
                Some(_) | None if *is_used => {}
                Some(_) | None => notes.add(Section::Answers, label(answer), &answer.value),
            }
        }
    }
}

/// What the source's `fields` rules say: by the exact key or label, else by one that differs in spelling only.
fn by_rule(answer: &Answer, rules: &Rules, by_spelling: &[(String, Meaning)]) -> Option<Meaning> {
    if by_spelling.is_empty() {
        return None;
    }
    let exact = rules.fields.get(&answer.key).or_else(|| rules.fields.get(&answer.label)).copied();
    let similar = || {
        let (key, label) = (labels::plain(&answer.key), labels::plain(&answer.label));
        by_spelling.iter().find(|(name, _)| *name == key || *name == label).map(|(_, meaning)| *meaning)
    };
    exact.or_else(similar)
}

/// What a person reads; the key where there is no label.
fn label(answer: &Answer) -> &str {
    if answer.label.trim().is_empty() { &answer.key } else { &answer.label }
}

/// What nobody stated, but for the name: profile, channel, evidence and rule constants.
fn guessed(submission: &Submission, rules: &Rules, region: Region, paid_by: Option<AdPlatform>) -> Fields {
    let profile = &submission.profile;
    let phone = |text: &str| Phone::of_account(text).or_else(|_| Phone::parse(text, region)).ok();
    let ad_platform = submission.ad_platform.or(paid_by);
    Fields {
        email: profile.email.as_deref().and_then(|text| Email::parse(text).ok()).map(|email| email.as_str().to_owned()),
        phone: profile.phone.as_deref().and_then(phone).map(|phone| phone.as_str().to_owned()),
        status: rules.status.otherwise(),
        priority: rules.priority,
        source: ad_platform.and(rules.source_when_paid).or(rules.source).or(submission.source),
        ad_platform: rules.ad_platform.or(ad_platform).or(submission.ad_platform_else),
        assigned_to: rules.assigned_to.clone(),
        estimated_value: rules.estimated_value,
        ..Fields::default()
    }
}

/// A name that nobody was asked for.
fn guessed_name(submission: &Submission, rules: &Rules, email: Option<&str>) -> Option<Name> {
    let profile = &submission.profile;
    let of_profile = profile.name.as_deref().and_then(|text| Name::whole(text, rules.names));
    let of_email = || Name::of_handle(Email::parse(email?).ok()?.local_part());
    of_profile.or_else(|| Name::of_handle(profile.username.as_deref()?)).or_else(of_email)
}

/// The id for a stand-in name: the sender's, or else our own, so that two nameless leads are not one.
fn last_resort<'a>(submission: &'a Submission, external_ref: &'a ExternalRef) -> &'a str {
    if submission.sender_id.is_empty() { external_ref.as_str() } else { &submission.sender_id }
}

/// Technical lines: the true time, the profile as it is, and the sender's facts.
fn write_details(notes: &mut Notes, submission: &Submission, stated: &Fields, guessed: &Fields) {
    if let Some(at) = submission.submitted_at {
        notes.submitted(at);
    }
    let profile = &submission.profile;
    let mut detail = |label: &str, value: &str| notes.add(Section::Details, label, value);
    for (label, value) in [("Profile name", &profile.name), ("Username", &profile.username)] {
        detail(label, value.as_deref().unwrap_or_default());
    }
    let others = [
        ("Sender's number", &profile.phone, &guessed.phone, &stated.phone),
        ("Sender's address", &profile.email, &guessed.email, &stated.email),
    ];
    for (label, raw, read, stated) in others {
        // With another one stated, or when it could not be read, the lead's field does not show it.
        let is_shown = read.is_some() && (stated.is_none() || stated == read);
        detail(label, raw.as_deref().filter(|_| !is_shown).unwrap_or_default());
    }
    for fact in &submission.facts {
        detail(&fact.label, &fact.value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::rules::NameStyle;
    use crate::domain::status::{LeadSource, Priority, Status};
    use crate::domain::submission::Profile;

    fn form(answers: &[(&str, &str)]) -> Submission {
        Submission {
            answers: answers.iter().map(|(key, value)| Answer::new(*key, *value)).collect(),
            source: Some(LeadSource::Website),
            sender_id: "987654321098765".to_owned(),
            ..Submission::default()
        }
    }

    fn lead(submission: &Submission, rules: &Rules) -> Lead {
        compose(submission, &ExternalRef::new("form:test:", "1"), rules, Region::INDONESIA)
    }

    fn of_form(answers: &[(&str, &str)]) -> Lead {
        lead(&form(answers), &Rules::default())
    }

    fn rules(toml: &str) -> Rules {
        toml::from_str(toml).unwrap()
    }

    /// The lines of the block between its markers.
    fn lines(lead: &Lead) -> Vec<String> {
        let block = lead.notes.render();
        let lines = block.lines().map(str::to_owned).collect::<Vec<_>>();
        lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default().to_vec()
    }

    #[test]
    fn the_odd_form_of_the_specification_comes_out_right() {
        let lead = of_form(&[
            ("nama", "Suharto"),
            ("no_hp", "0812 3456-7890"),
            ("email", ""),
            ("minat", "Rumah, Ruko"),
            ("pesan", "halo 🙏\r\nbaris 2"),
            ("utm_source", "facebook"),
            ("utm_medium", "paid"),
            ("fbclid", "IwAR0abc"),
            ("gclid", ""),
            ("cf-turnstile-response", "XXXX"),
        ]);
        assert_eq!(lead.stated.first_name.as_deref(), Some("Suharto"));
        assert_eq!((lead.stated.last_name.as_ref(), lead.stated.email.as_ref()), (None, None));
        assert_eq!(lead.stated.phone.as_deref(), Some("+6281234567890"));
        assert_eq!(lead.guessed.ad_platform, Some(AdPlatform::Meta));
        assert_eq!(lead.guessed.source, Some(LeadSource::Website));
        let expected = "\
# Answers
minat: Rumah, Ruko
pesan: halo 🙏
  baris 2
# Attribution
utm_source: facebook
utm_medium: paid
fbclid: IwAR0abc";
        assert_eq!(lines(&lead).join("\n"), expected);
    }

    #[test]
    fn a_rule_wins_over_the_sender_and_the_sender_over_the_label() {
        let mut submission = form(&[("nama", "Siti Aminah"), ("field_1", "Budi"), ("hp", "0812 3456 7890")]);
        submission.answers[2] = submission.answers[2].clone().meaning(Meaning::Note);
        let by_label = lead(&submission, &Rules::default());
        assert_eq!(by_label.stated.first_name.as_deref(), Some("Siti"));
        assert_eq!(by_label.stated.phone, None);
        let by_rule = lead(&submission, &rules("fields = { Nama = 'note', field_1 = 'full_name', HP = 'phone' }"));
        assert_eq!(by_rule.stated.first_name.as_deref(), Some("Budi"));
        assert_eq!(by_rule.stated.phone.as_deref(), Some("+6281234567890"));
        assert_eq!(lines(&by_rule), ["# Answers", "nama: Siti Aminah"]);
    }

    #[test]
    fn personal_comes_before_work_and_the_rest_is_noted() {
        let lead = of_form(&[
            ("work_email", "s@office.example"),
            ("email", "siti@example.com"),
            ("email", "other@example.com"),
            ("work_phone", "021 5551234"),
            ("phone", "0812 3456 7890 ext 5"),
        ]);
        assert_eq!(lead.stated.email.as_deref(), Some("siti@example.com"));
        assert_eq!(lead.stated.phone.as_deref(), Some("+6281234567890"));
        let noted = [
            "# Answers",
            "work_email: s@office.example",
            "email: other@example.com",
            "work_phone: 021 5551234",
            "phone: 0812 3456 7890 ext 5",
        ];
        assert_eq!(lines(&lead), noted);
        assert_eq!(of_form(&[("work_email", "s@office.example")]).stated.email.as_deref(), Some("s@office.example"));
    }

    #[test]
    fn what_cannot_be_read_is_noted_under_its_label() {
        let lead = of_form(&[
            ("Nama", "🌸"),
            ("Email", "siti@gmail"),
            ("No HP", "6221555"),
            ("Budget", "2-3 juta"),
            ("last_name", "-"),
        ]);
        assert_eq!(lead.stated, Fields::default());
        let noted = ["# Answers", "Nama: 🌸", "Email: siti@gmail", "No HP: 6221555", "Budget: 2-3 juta"];
        assert_eq!(lines(&lead), noted);
        assert_eq!(lead.guessed.first_name.as_deref(), Some("Lead 098765"));
    }

    #[test]
    fn an_invalid_personal_address_gives_way_to_a_valid_one_for_work() {
        let lead = of_form(&[("email", "siti@gmail"), ("work_email", "s@office.example")]);
        assert_eq!(lead.stated.email.as_deref(), Some("s@office.example"));
        assert_eq!(lines(&lead), ["# Answers", "email: siti@gmail"]);
    }

    #[test]
    fn of_several_addresses_the_first_counts_and_all_are_noted() {
        let lead = of_form(&[("email", "siti@gmail, siti@example.com; other@example.com")]);
        assert_eq!(lead.stated.email.as_deref(), Some("siti@example.com"));
        assert_eq!(lines(&lead), ["# Answers", "email: siti@gmail, siti@example.com; other@example.com"]);
    }

    #[test]
    fn names_come_from_two_fields_or_one() {
        let names = |answers: &[(&str, &str)]| {
            let stated = of_form(answers).stated;
            (stated.first_name, stated.last_name)
        };
        let name = |first: &str, last: Option<&str>| (Some(first.to_owned()), last.map(str::to_owned));
        assert_eq!(names(&[("last_name", "Pop"), ("first_name", "Ana")]), name("Ana", Some("Pop")));
        assert_eq!(names(&[("first_name", "Ana"), ("last_name", "")]), name("Ana", None));
        assert_eq!(names(&[("full_name", "Ana Țepeș Ionescu")]), name("Ana", Some("Țepeș Ionescu")));
        assert_eq!(names(&[("last_name", "Pop")]), name("Pop", None));
        assert_eq!(names(&[("surname", "Pop"), ("name", "Ana")]), name("Ana", Some("Pop")));
        assert_eq!(names(&[("name", "Ana Pop"), ("surname", "pop")]), name("Ana", Some("Pop")));
        assert_eq!(names(&[("nama", "Suharto"), ("nama belakang", "-")]), name("Suharto", None));
        assert!(of_form(&[("name", "Ana"), ("surname", "Pop")]).notes.is_empty());
        let twice = [("first_name", "Ana"), ("last_name", "Pop"), ("name", "ana  Pop")];
        assert!(of_form(&twice).notes.is_empty());
        assert_eq!(
            lines(&of_form(&[twice[0], twice[1], ("name", "Ana Maria Pop")])),
            ["# Answers", "name: Ana Maria Pop"]
        );
        assert_eq!(names(&[("Nama perusahaan", "PT Maju")]), (None, None));
        let whole = Rules { names: NameStyle::Whole, ..Rules::default() };
        let stated = lead(&form(&[("nama", "Siti Nur Aminah")]), &whole).stated;
        assert_eq!((stated.first_name, stated.last_name), name("Siti Nur Aminah", None));
    }

    #[test]
    fn a_profile_only_guesses() {
        let submission = Submission {
            answers: vec![Answer::new("Pesan", "info harga").meaning(Meaning::Message)],
            profile: Profile {
                name: Some("Siti 🌸".to_owned()),
                username: Some("@siti.a".to_owned()),
                phone: Some("6281234567890".to_owned()),
                email: None,
            },
            submitted_at: Some("2026-10-26T01:02:03Z".parse().unwrap()),
            source: Some(LeadSource::Whatsapp),
            ..Submission::default()
        };
        let lead = lead(&submission, &Rules::default());
        assert_eq!(lead.stated, Fields::default());
        let create = lead.for_create();
        assert_eq!(create.first_name.as_deref(), Some("Siti 🌸"));
        assert_eq!(create.phone.as_deref(), Some("+6281234567890"));
        assert_eq!((create.source, create.status), (Some(LeadSource::Whatsapp), None));
        let noted = [
            "# Messages",
            "2026-10-26 01:02:03 UTC Pesan: info harga",
            "# Details",
            "Submitted: 2026-10-26 01:02:03 UTC",
            "Profile name: Siti 🌸",
            "Username: @siti.a",
        ];
        assert_eq!(lines(&lead), noted);
    }

    #[test]
    fn a_stated_number_beside_the_senders_keeps_both() {
        let mut submission = form(&[("nama", "Ayu Lestari"), ("hp", "0812-9876-5432")]);
        submission.profile.phone = Some("6281111111111".to_owned());
        let lead = lead(&submission, &Rules::default());
        assert_eq!(lead.for_create().phone.as_deref(), Some("+6281298765432"));
        assert_eq!(lines(&lead), ["# Details", "Sender's number: 6281111111111"]);
    }

    #[test]
    fn the_first_name_falls_back_step_by_step() {
        let first = |submission: &Submission| lead(submission, &Rules::default()).for_create().first_name.unwrap();
        let mut submission = form(&[("email", "ana.pop@example.ro")]);
        assert_eq!(first(&submission), "ana.pop");
        submission.profile.username = Some("@anapop".to_owned());
        assert_eq!(first(&submission), "anapop");
        submission.profile.name = Some("6281234567890".to_owned());
        assert_eq!(first(&submission), "anapop");
        submission.profile.name = Some("Ana Pop".to_owned());
        assert_eq!(first(&submission), "Ana");
        submission.answers.push(Answer::new("nama", "Ioana"));
        assert_eq!(first(&submission), "Ioana");
        assert_eq!(first(&Submission::default()), "Lead mtest1");
    }

    #[test]
    fn constants_of_a_rule_only_guess_and_a_status_needs_one() {
        let submission = form(&[("nama", "Siti"), ("gclid", "Cj0"), ("budget", "1,5 jt")]);
        let plain = lead(&submission, &Rules::default());
        assert_eq!((plain.for_create().status, plain.for_create().priority), (None, None));
        assert_eq!(plain.guessed.source, Some(LeadSource::Website));
        let ruled = lead(
            &submission,
            &rules(
                "source_when_paid = 'ads'\nstatus = 'contacted'\npriority = 'high'\nestimated_value = 7.0\nad_platform = 'other'",
            ),
        );
        assert_eq!(ruled.guessed.source, Some(LeadSource::Ads));
        assert_eq!(ruled.guessed.ad_platform, Some(AdPlatform::Other));
        assert_eq!((ruled.stated.status, ruled.stated.priority, ruled.stated.source), (None, None, None));
        assert_eq!((ruled.guessed.status, ruled.guessed.priority), (Some(Status::Contacted), Some(Priority::High)));
        assert_eq!(ruled.for_create().estimated_value, Some(1_500_000.0));
    }

    #[test]
    fn a_unique_code_needs_its_meaning() {
        assert_eq!(of_form(&[("unique_code", "KNK-001")]).stated.unique_code, None);
        let submission = form(&[("ref", " KNK-001 ")]);
        let coded = lead(&submission, &rules("fields = { ref = 'unique_code' }"));
        assert_eq!(coded.stated.unique_code.as_deref(), Some("KNK-001"));
        let sentence = lead(&form(&[("ref", "saya lupa")]), &rules("fields = { ref = 'unique_code' }"));
        assert_eq!(
            (sentence.stated.unique_code.as_ref(), lines(&sentence)),
            (None, vec!["# Answers".to_owned(), "ref: saya lupa".to_owned()])
        );
    }

    #[test]
    fn identity_numbers_are_not_kept_unless_a_rule_says_so() {
        let submission = form(&[("NIK", "3201234567890001")]);
        assert!(lead(&submission, &Rules::default()).notes.is_empty());
        assert_eq!(
            lines(&lead(&submission, &rules("fields = { nik = 'note' }"))),
            ["# Answers", "NIK: 3201234567890001"]
        );
    }

    #[test]
    fn a_test_says_so_first() {
        let submission = Submission { is_test: true, ..form(&[("Kota", "Bogor")]) };
        let noted = ["# Answers", "TEST: the sender marks this lead as a test", "Kota: Bogor"];
        assert_eq!(lines(&lead(&submission, &Rules::default())), noted);
    }

    #[test]
    fn another_region_is_the_rules_or_the_default() {
        let submission = form(&[("phone", "0721 234 567")]);
        assert_eq!(lead(&submission, &rules("region = 'RO'")).stated.phone.as_deref(), Some("+40721234567"));
        let abroad =
            compose(&submission, &ExternalRef::new("x:", "1"), &Rules::default(), Region::parse("RO").unwrap());
        assert_eq!(abroad.stated.phone.as_deref(), Some("+40721234567"));
    }

    #[test]
    fn only_a_submission_without_anything_is_blank() {
        assert!(of_form(&[("Kota", "")]).is_blank());
        assert!(!of_form(&[("pesan", "halo")]).is_blank());
        assert!(!of_form(&[("nama", "Siti")]).is_blank());
        let mut by_profile = form(&[]);
        by_profile.profile.phone = Some("6281234567890".to_owned());
        assert!(!lead(&by_profile, &Rules::default()).is_blank());
    }

    fn answers() -> impl Strategy<Value = Vec<(String, String)>> {
        let key = prop_oneof![
            prop::sample::select(vec![
                "nama",
                "first_name",
                "last_name",
                "email",
                "work_email",
                "hp",
                "pesan",
                "budget",
                "gclid"
            ])
            .prop_map(str::to_owned),
            "\\PC{0,12}",
        ];
        let value =
            prop_oneof!["\\PC{0,30}", ".{0,30}", "0812[0-9]{6,10}", "[a-z]{1,8}@[a-z]{1,8}\\.com", "[A-Z][a-z]{1,120}"];
        prop::collection::vec((key, value), 0..12)
    }

    proptest! {
        #[test]
        fn every_submission_makes_a_lead_that_konektor_takes(answers in answers(), id in ".{0,20}", name in prop::option::of(".{0,20}")) {
            let pairs = answers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
            let mut submission = form(&pairs);
            submission.sender_id = id;
            submission.profile.name = name;
            let lead = lead(&submission, &Rules::default());
            let create = lead.for_create();
            let length = |text: Option<String>| text.map_or(0, |text| text.chars().count());
            prop_assert!((1..=100).contains(&length(create.first_name)));
            prop_assert!(length(create.last_name) <= 100 && length(create.phone) <= 20);
            prop_assert!(lead.notes.render().chars().count() <= 5000);
        }

        #[test]
        fn no_plain_answer_is_lost(answers in prop::collection::vec(("[a-z]{3,8} [a-z]{3,8}", "[a-z0-9]{1,30}"), 0..20)) {
            let pairs = answers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
            let block = of_form(&pairs).notes.render();
            for (_, value) in &answers {
                prop_assert!(block.contains(value.as_str()), "{value}");
            }
        }

        #[test]
        fn composing_and_absorbing_again_changes_nothing(answers in answers()) {
            let pairs = answers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
            let once = of_form(&pairs);
            let mut twice = once.clone();
            twice.absorb(once.clone());
            prop_assert_eq!(twice, once);
        }
    }
}
