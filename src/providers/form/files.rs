//! Multipart bodies without their files. What remains is such a body still, as its sender wrote it, but with a line in the
//! place of each file and its size in a header of that part.

use bytes::Bytes;
use memchr::memchr2_iter;

use super::multipart;

/// The header of a part in which the size of the file stands that was in it.
pub(super) const SIZE: &str = "bridge-file-bytes";

/// What stands where a file was.
const NOT_KEPT: &[u8] = b"(a file, not kept)\r\n";

/// The end of a line, as every sender writes it.
const LINE_END: [u8; 2] = *b"\r\n";

/// Throws the files of a multipart body away as it comes, line by line, whatever else is wrong with it.
///
/// It finds parts and heads where `multipart.rs` does, which reads what remains. What it holds is what will be kept: the texts,
/// the heads of the parts, and of a file never more than the beginning of a line.
pub struct WithoutFiles {
    /// What a line between two parts begins with, `--` and the boundary. Where the content type names none, the first line
    /// that looks like one says it.
    begins: Option<Vec<u8>>,
    /// Whether the first line between two parts ended in CR and LF: then such a line stands only behind both.
    strict: Option<bool>,
    place: Place,
    /// The beginning of a line of which it is not known yet what it is.
    line: Vec<u8>,
    /// What comes is the rest of a line of which that is known.
    within: bool,
    /// The last two bytes before the line, and before what comes next.
    before: [u8; 2],
    last: [u8; 2],
    kept: Vec<u8>,
}

/// Where in the body a line stands.
#[derive(Clone, Copy)]
enum Place {
    /// In the head of a part.
    Head(Head),
    /// In a text, or before the first part.
    Text,
    /// In a file.
    File(File),
}

/// What the lines of a head have said so far.
#[derive(Clone, Copy, Default)]
struct Head {
    /// Where it begins in what is kept, behind the boundary.
    begins: usize,
    /// `Content-Disposition` has come: only the first one counts.
    disposition: bool,
    /// It is the head of a file.
    file: bool,
    /// Its size stands there: the file was thrown away before.
    sized: bool,
    /// There was an empty line: what still comes are no headers.
    over: bool,
}

/// What there is to know of a file.
#[derive(Clone, Copy)]
struct File {
    head: Head,
    bytes: u64,
    /// Its last two bytes: the line end behind it is not its own.
    end: [u8; 2],
}

impl std::fmt::Debug for WithoutFiles {
    /// Shows no byte of the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WithoutFiles({} bytes)", self.held())
    }
}

impl WithoutFiles {
    /// For a body that comes under `content_type`.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let begins = multipart::boundary(content_type).map(|boundary| format!("--{boundary}").into_bytes());
        let (before, last) = (LINE_END, LINE_END);
        Self {
            begins,
            strict: None,
            place: Place::Text,
            line: Vec::new(),
            within: false,
            before,
            last,
            kept: Vec::new(),
        }
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        bytes.split_inclusive(|byte| *byte == b'\n').for_each(|piece| self.piece(piece));
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.kept.len() + self.line.len()
    }

    /// The body without its files.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let line = std::mem::take(&mut self.line);
        self.put(&line);
        self.close_file();
        self.kept
    }

    /// Takes a line, or a part of one.
    fn piece(&mut self, piece: &[u8]) {
        if self.line.is_empty() && !self.within {
            self.before = self.last;
        }
        self.last = ending(self.last, piece);
        let ends = piece.ends_with(b"\n");
        if self.within {
            self.put(piece);
        } else {
            self.line.extend_from_slice(piece);
            if !(ends || self.tells()) {
                return;
            }
            if self.is_boundary(ends) {
                self.close_file();
                self.place = Place::Head(Head { begins: usize::MAX, ..Head::default() });
            }
            match self.place {
                // Nothing is known of a header before its end.
                Place::Head(_) if !ends => return,
                Place::Head(head) => {
                    let line = std::mem::take(&mut self.line);
                    self.head_line(head, &line);
                }
                Place::Text | Place::File(_) => {
                    let line = std::mem::take(&mut self.line);
                    self.put(&line);
                }
            }
        }
        self.within = !ends;
    }

    /// True when enough of a line is there to tell whether it is a boundary.
    fn tells(&self) -> bool {
        let enough = self.begins.as_ref().is_some_and(|begins| self.line.len() >= begins.len());
        enough && !matches!(self.place, Place::Head(_))
    }

    fn is_boundary(&mut self, ends: bool) -> bool {
        if self.begins.is_none() && ends {
            let line = self.line.trim_ascii_end();
            self.begins = (line.len() > 2 && line.starts_with(b"--")).then(|| line.to_vec());
        }
        let in_place = self.strict != Some(true) || self.before == LINE_END;
        in_place && self.begins.as_ref().is_some_and(|begins| self.line.starts_with(begins))
    }

    /// Takes the line of a boundary, or one of the head behind it.
    fn head_line(&mut self, mut head: Head, line: &[u8]) {
        if head.begins == usize::MAX {
            self.strict.get_or_insert(line.ends_with(&LINE_END));
            self.kept.extend_from_slice(line);
            self.place = Place::Head(Head { begins: self.kept.len(), ..Head::default() });
            return;
        }
        let empty = line == b"\n" || *line == LINE_END;
        if empty && (self.strict == Some(false) || *line == LINE_END && self.before == LINE_END) {
            // The empty line behind the head of a file waits for the end of the file.
            self.place = if head.file {
                Place::File(File { head, bytes: 0, end: [0; 2] })
            } else {
                self.kept.extend_from_slice(line);
                Place::Text
            };
            self.last = [0; 2];
            return;
        }
        head.over |= empty;
        if !head.over && is_header(line, "content-disposition") && !head.disposition {
            (head.disposition, head.file) = (true, names_file(line));
        }
        head.sized |= !head.over && is_header(line, SIZE);
        self.place = Place::Head(head);
        self.kept.extend_from_slice(line);
    }

    /// Puts bytes where they stand.
    fn put(&mut self, bytes: &[u8]) {
        match &mut self.place {
            Place::Head(_) | Place::Text => self.kept.extend_from_slice(bytes),
            Place::File(file) => {
                file.bytes += bytes.len() as u64;
                file.end = ending(file.end, bytes);
            }
        }
    }

    /// Writes down what there is to know of the file that ends here.
    fn close_file(&mut self) {
        let Place::File(file) = self.place else { return };
        if !file.head.sized {
            let line_end = match file.end {
                LINE_END => 2,
                [_, b'\n'] => 1,
                _ => 0,
            };
            let header = format!("{SIZE}: {}\r\n", file.bytes - line_end);
            self.kept.splice(file.head.begins..file.head.begins, header.into_bytes());
        }
        self.kept.extend_from_slice(&LINE_END);
        self.kept.extend_from_slice(NOT_KEPT);
    }
}

/// The last two bytes of what ended in `before` and went on with `bytes`.
fn ending(before: [u8; 2], bytes: &[u8]) -> [u8; 2] {
    match bytes {
        [.., a, b] => [*a, *b],
        [b] => [before[1], *b],
        [] => before,
    }
}

/// The body that came under `content_type` without its files. One without files comes out as it is, to the byte, and so
/// does one whose files were thrown away before.
pub(in crate::providers) fn thrown_away(content_type: &str, body: Bytes) -> Bytes {
    if may_name_a_file(&body) { without(content_type, &body).into() } else { body }
}

/// False where the word that makes a part a file is nowhere in `body`.
fn may_name_a_file(body: &[u8]) -> bool {
    const WORD: &[u8] = b"filename";
    let stands = |at: usize| body[at..].get(..WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD));
    memchr2_iter(b'f', b'F', body).any(stands)
}

fn without(content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut without = WithoutFiles::of(content_type);
    without.push(body);
    without.finish()
}

fn is_header(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && line[name.len()..].trim_ascii_start().starts_with(b":")
}

/// True when a `Content-Disposition` has a parameter `filename` (RFC 7578, section 4.2); a field that is called so is no file.
fn names_file(line: &[u8]) -> bool {
    let is_file = |name: &[u8]| [&b"filename"[..], b"filename*"].iter().any(|known| name.eq_ignore_ascii_case(known));
    multipart::parameters(line).any(|(name, _)| is_file(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::body::{Content, Encoding, Field, fields};
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=b1";

    const FORM: &str = "--b1\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nSiti\r\n\
        --b1\r\nContent-Disposition: form-data; name=\"ktp\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\
        \u{1}--b\r\n--b2\n\r\n\r\n--b1\r\nContent-Disposition: form-data; name=\"kosong\"; filename=\"\"\r\n\r\n\r\n\
        --b1\r\nContent-Disposition: form-data; name=\"pesan\"\r\n\r\nfilename=x\r\n\r\n--b1--\r\n";

    fn read(body: Vec<u8>) -> Vec<Field> {
        fields(Encoding::Multipart, TYPE, &Bytes::from(body)).unwrap()
    }

    fn in_pieces(content_type: &str, body: &[u8], size: usize) -> Vec<u8> {
        let mut without = WithoutFiles::of(content_type);
        body.chunks(size).for_each(|piece| without.push(piece));
        without.finish()
    }

    #[test]
    fn what_is_read_is_the_same_with_the_files_and_without_them() {
        let kept = without(TYPE, FORM.as_bytes());
        assert!(!kept.windows(4).any(|window| window == b"--b2"), "the file is kept");
        assert_eq!(read(kept.clone()), read(FORM.into()));
        let file = Content::File { file: "a.jpg".into(), media_type: Some("image/jpeg".into()), bytes: 13 };
        assert!(read(kept.clone()).contains(&Field("ktp".into(), file)));
        assert_eq!(without(TYPE, &kept), kept, "what was thrown away is told the second time as the first");
    }

    #[test]
    fn however_the_body_is_cut_on_its_way_the_same_remains() {
        let whole = without(TYPE, FORM.as_bytes());
        for size in 1..FORM.len() {
            assert_eq!(in_pieces(TYPE, FORM.as_bytes(), size), whole, "{size}");
        }
    }

    #[test]
    fn where_the_content_type_names_no_boundary_the_body_says_it() {
        assert_eq!(without("multipart/form-data", FORM.as_bytes()), without(TYPE, FORM.as_bytes()));
    }

    #[test]
    fn a_body_that_ends_within_a_file_holds_nothing_of_it() {
        let end = FORM.find("\u{1}--b").unwrap() + 6;
        let kept = String::from_utf8(without(TYPE, &FORM.as_bytes()[..end])).unwrap();
        assert!(
            kept.contains("bridge-file-bytes: 4\r\n") && kept.ends_with("\r\n\r\n(a file, not kept)\r\n"),
            "{kept}"
        );
    }

    #[test]
    fn a_field_that_is_called_filename_is_no_file() {
        for (line, file) in [
            ("Content-Disposition: form-data; name=\"filename\"", false),
            ("Content-Disposition: form-data; name=\"a; filename=b\"", false),
            (r#"Content-Disposition: form-data; name="a\"; filename=b""#, false),
            ("Content-Disposition: form-data; name=a; FileName = b", true),
            ("Content-Disposition: form-data; filename*=UTF-8''b; name=a", true),
            ("Content-Disposition: form-data; name=\"a\"; filename=\"\"", true),
            ("Content-Disposition: form-data; name=a; filename", true),
        ] {
            assert_eq!(names_file(line.as_bytes()), file, "{line}");
        }
        let text =
            "--b1\r\nContent-Disposition: form-data; name=\"filename\"\r\nX: filename=x\r\n\r\nsurat.pdf\r\n--b1--\r\n";
        assert_eq!(without(TYPE, text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn ten_million_bytes_of_a_file_hold_none_of_them() {
        let head = "--b1\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n";
        for byte in [b'x', b'\n', b'-'] {
            let mut without = WithoutFiles::of(TYPE);
            without.push(head.as_bytes());
            for _ in 0..160 {
                without.push(&vec![byte; 64 * 1024]);
                assert!(without.held() < 200, "{} bytes are held", without.held());
            }
            without.push(b"\r\n--b1--\r\n");
            let field = read(without.finish()).remove(0);
            assert_eq!(field.1, Content::File { file: "b".into(), media_type: None, bytes: 160 * 64 * 1024 });
        }
    }

    proptest! {
        #[test]
        fn anything_between_boundaries_can_be_cut_anywhere_and_what_is_read_is_the_same(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("--b1"), Just("\r\n"), Just("--"), Just("\r\n--b1\r\n"), Just("\n"),
                    Just("Content-Disposition: form-data; name=\"a\""), Just("; filename=\"x\""), Just("\r\n\r\n"),
                    Just("teks"), Just("\0ä"), Just("bridge-file-bytes: 3"), Just("\r\n--b1--\r\n"),
                ],
                0..24,
            ),
            size in 1..40_usize,
        ) {
            let body = format!("--b1\r\n{}", pieces.concat());
            let kept = without(TYPE, body.as_bytes());
            prop_assert_eq!(&in_pieces(TYPE, body.as_bytes(), size), &kept);
            prop_assert_eq!(&without(TYPE, &kept), &kept);
            prop_assert!(may_name_a_file(body.as_bytes()) || kept == body.as_bytes());
            if let Ok(fields) = fields(Encoding::Multipart, TYPE, &Bytes::from(body)) {
                prop_assert_eq!(read(kept), fields);
            }
        }
    }
}
