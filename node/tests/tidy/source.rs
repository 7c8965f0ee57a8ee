//! Reads Rust source just well enough for `tidy`: what is code, and where it names something.

/// A line, counted from 1, and what is wrong with it.
pub type Finding = (usize, String);

/// The code of a Rust file, without comments and literals, on the lines where it stood.
pub fn code(text: &str) -> String {
    without(text, &[Kind::Comment, Kind::Literal])
}

/// Where any of `phrases` stands, not as a part of a longer name.
pub fn mentions(text: &str, phrases: &[&str]) -> Vec<Finding> {
    let places = |phrase| bounded(text, phrase).into_iter().map(move |offset| (offset, phrase));
    phrases
        .iter()
        .flat_map(|&phrase| places(phrase))
        .map(|(offset, phrase)| (line_at(text, offset), format!("names `{phrase}`")))
        .collect()
}

/// Where `parent::child` stands, written out or as `parent::{child, ...}`.
pub fn path_mentions(code: &str, parent: &str, child: &str) -> Vec<Finding> {
    let mut offsets = bounded(code, &format!("{parent}::{child}"));
    for open in bounded(code, &format!("{parent}::{{")) {
        let group = &code[open..open + group_length(&code[open..])];
        offsets.extend(bounded(group, child).into_iter().map(|offset| open + offset));
    }
    let what = format!("names `{parent}::{child}`");
    offsets.into_iter().map(|offset| (line_at(code, offset), what.clone())).collect()
}

/// Offsets of `phrase` where neither end continues a name.
pub fn bounded(text: &str, phrase: &str) -> Vec<usize> {
    let named = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let open = |offset: usize| {
        let (before, after) = (&text[..offset], &text[offset + phrase.len()..]);
        let left = named(before.chars().next_back()) && named(phrase.chars().next());
        let right = named(after.chars().next()) && named(phrase.chars().next_back());
        !left && !right
    };
    text.match_indices(phrase).map(|(offset, _)| offset).filter(|&offset| open(offset)).collect()
}

/// Bytes from the start of `text` to the brace that closes its first one.
fn group_length(text: &str) -> usize {
    let mut depth = 0_u32;
    for (offset, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return offset,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

/// What a character of a Rust file belongs to.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Code,
    Comment,
    Literal,
}

/// The text without everything of the given kinds; line breaks stay, so that line numbers do.
pub fn without(text: &str, dropped: &[Kind]) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let (kind, length) = piece(&letters[at..]);
        let piece = &letters[at..at + length];
        kept.extend(piece.iter().filter(|&&letter| letter == '\n' || !dropped.contains(&kind)));
        at += length;
    }
    kept
}

/// The kind and length of the comment, literal or single character of code that `rest` begins with.
fn piece(rest: &[char]) -> (Kind, usize) {
    match rest {
        ['/', '/', ..] => (Kind::Comment, find(rest, 0, &['\n'])),
        ['/', '*', ..] => (Kind::Comment, block_comment_length(rest)),
        ['"', ..] => (Kind::Literal, string_length(rest)),
        ['\'', '\\', ..] => (Kind::Literal, (find(rest, 3, &['\'']) + 1).min(rest.len())),
        ['\'', _, '\'', ..] => (Kind::Literal, 3),
        ['r', '"' | '#', ..] => {
            raw_string_length(rest).map_or((Kind::Code, 1), |n| (Kind::Literal, n))
        }
        _ => (Kind::Code, 1),
    }
}

/// Where `wanted` begins at or after `from`; the length of `rest` if nowhere.
fn find(rest: &[char], from: usize, wanted: &[char]) -> usize {
    let from = from.min(rest.len());
    let place = rest[from..].windows(wanted.len()).position(|window| window == wanted);
    place.map_or(rest.len(), |place| from + place)
}

fn block_comment_length(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `None` for a raw identifier like `r#type`.
fn raw_string_length(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&letter| letter == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut closing = vec!['"'];
    closing.resize(1 + hashes, '#');
    Some((find(rest, 2 + hashes, &closing) + closing.len()).min(rest.len()))
}
