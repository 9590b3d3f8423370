//! Characters that no key has, and their names.

/// What a person would call a character, with its code point: `a zero-width space (U+200B)`.
pub fn name_of(c: char) -> String {
    let name = match c {
        ' ' => "a space",
        '\n' => "a newline",
        '\r' => "a carriage return",
        '\t' => "a tab",
        '\0' => "a NUL",
        '"' => "a double quote",
        '\'' => "a single quote",
        '`' => "a backtick",
        '<' => "an angle bracket",
        '\u{a0}' => "a no-break space",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' => "a zero-width non-joiner",
        '\u{200d}' => "a zero-width joiner",
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte-order mark",
        '\u{ad}' => "a soft hyphen",
        '\u{201c}' | '\u{201d}' | '\u{201e}' => "a curly double quote",
        '\u{2018}' | '\u{2019}' => "a curly single quote",
        '\u{2026}' => "an ellipsis",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "another dash than the one on the keyboard",
        c if c.is_control() => "a control character",
        c if looks_like(c).is_some() => "a letter of another script that looks like a Latin one",
        c if c.is_ascii_graphic() => "a character of the keyboard",
        _ => "a character that no key has",
    };
    format!("{name} (U+{:04X})", u32::from(c))
}

/// The code point and its Unicode name, as far as we name it: `U+200B ZERO WIDTH SPACE`.
pub fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if let Some((_, name)) = NAMES.iter().find(|(named, _)| *named == c) {
        return format!("{number} {name}");
    }
    if let Some((script, name)) = letter_name(c) {
        return format!("{number} {script} {name}");
    }
    if let Some(ascii) = fullwidth(c) {
        return format!("{number} FULLWIDTH FORM OF `{ascii}`");
    }
    number
}

/// The keyboard's character that this one is easily taken for.
pub(super) fn looks_like(c: char) -> Option<char> {
    let letter = LOOK_ALIKES.iter().find(|(other, ..)| *other == c).map(|(_, ascii, ..)| *ascii);
    let dash = matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}').then_some('-');
    letter.or(dash).or_else(|| fullwidth(c))
}

/// Whether a character cannot be seen: leaving it out changes nothing that a person meant.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn fullwidth(c: char) -> Option<char> {
    matches!(c, '\u{ff01}'..='\u{ff5e}').then(|| char::from_u32(u32::from(c) - 0xfee0)).flatten()
}

fn letter_name(c: char) -> Option<(&'static str, &'static str)> {
    LOOK_ALIKES.iter().find(|(other, ..)| *other == c).map(|(_, _, script, name)| (*script, *name))
}

const NAMES: &[(char, &str)] = &[
    ('\0', "NULL"),
    ('\t', "CHARACTER TABULATION"),
    ('\n', "LINE FEED"),
    ('\u{b}', "LINE TABULATION"),
    ('\u{c}', "FORM FEED"),
    ('\r', "CARRIAGE RETURN"),
    ('\u{1b}', "ESCAPE"),
    (' ', "SPACE"),
    ('"', "QUOTATION MARK"),
    ('\'', "APOSTROPHE"),
    ('`', "GRAVE ACCENT"),
    ('<', "LESS-THAN SIGN"),
    ('>', "GREATER-THAN SIGN"),
    ('!', "EXCLAMATION MARK"),
    ('#', "NUMBER SIGN"),
    ('$', "DOLLAR SIGN"),
    ('%', "PERCENT SIGN"),
    ('&', "AMPERSAND"),
    ('*', "ASTERISK"),
    ('+', "PLUS SIGN"),
    (',', "COMMA"),
    ('-', "HYPHEN-MINUS"),
    ('.', "FULL STOP"),
    ('/', "SOLIDUS"),
    (':', "COLON"),
    (';', "SEMICOLON"),
    ('=', "EQUALS SIGN"),
    ('?', "QUESTION MARK"),
    ('@', "COMMERCIAL AT"),
    ('\\', "REVERSE SOLIDUS"),
    ('_', "LOW LINE"),
    ('~', "TILDE"),
    ('\u{7f}', "DELETE"),
    ('\u{85}', "NEXT LINE"),
    ('\u{a0}', "NO-BREAK SPACE"),
    ('\u{ad}', "SOFT HYPHEN"),
    ('\u{2002}', "EN SPACE"),
    ('\u{2003}', "EM SPACE"),
    ('\u{2007}', "FIGURE SPACE"),
    ('\u{2009}', "THIN SPACE"),
    ('\u{200b}', "ZERO WIDTH SPACE"),
    ('\u{200c}', "ZERO WIDTH NON-JOINER"),
    ('\u{200d}', "ZERO WIDTH JOINER"),
    ('\u{200e}', "LEFT-TO-RIGHT MARK"),
    ('\u{200f}', "RIGHT-TO-LEFT MARK"),
    ('\u{2010}', "HYPHEN"),
    ('\u{2011}', "NON-BREAKING HYPHEN"),
    ('\u{2012}', "FIGURE DASH"),
    ('\u{2013}', "EN DASH"),
    ('\u{2014}', "EM DASH"),
    ('\u{2015}', "HORIZONTAL BAR"),
    ('\u{2018}', "LEFT SINGLE QUOTATION MARK"),
    ('\u{2019}', "RIGHT SINGLE QUOTATION MARK"),
    ('\u{201c}', "LEFT DOUBLE QUOTATION MARK"),
    ('\u{201d}', "RIGHT DOUBLE QUOTATION MARK"),
    ('\u{201e}', "DOUBLE LOW-9 QUOTATION MARK"),
    ('\u{2026}', "HORIZONTAL ELLIPSIS"),
    ('\u{2028}', "LINE SEPARATOR"),
    ('\u{202a}', "LEFT-TO-RIGHT EMBEDDING"),
    ('\u{202c}', "POP DIRECTIONAL FORMATTING"),
    ('\u{202f}', "NARROW NO-BREAK SPACE"),
    ('\u{2060}', "WORD JOINER"),
    ('\u{2212}', "MINUS SIGN"),
    ('\u{3000}', "IDEOGRAPHIC SPACE"),
    ('\u{feff}', "ZERO WIDTH NO-BREAK SPACE"),
    ('\u{fffd}', "REPLACEMENT CHARACTER"),
];

/// Another script's letter, the Latin one it looks like, and its name.
const LOOK_ALIKES: &[(char, char, &str, &str)] = &[
    ('а', 'a', "CYRILLIC", "SMALL LETTER A"),
    ('с', 'c', "CYRILLIC", "SMALL LETTER ES"),
    ('е', 'e', "CYRILLIC", "SMALL LETTER IE"),
    ('о', 'o', "CYRILLIC", "SMALL LETTER O"),
    ('р', 'p', "CYRILLIC", "SMALL LETTER ER"),
    ('х', 'x', "CYRILLIC", "SMALL LETTER HA"),
    ('у', 'y', "CYRILLIC", "SMALL LETTER U"),
    ('і', 'i', "CYRILLIC", "SMALL LETTER BYELORUSSIAN-UKRAINIAN I"),
    ('ј', 'j', "CYRILLIC", "SMALL LETTER JE"),
    ('ѕ', 's', "CYRILLIC", "SMALL LETTER DZE"),
    ('к', 'k', "CYRILLIC", "SMALL LETTER KA"),
    ('А', 'A', "CYRILLIC", "CAPITAL LETTER A"),
    ('В', 'B', "CYRILLIC", "CAPITAL LETTER VE"),
    ('С', 'C', "CYRILLIC", "CAPITAL LETTER ES"),
    ('Е', 'E', "CYRILLIC", "CAPITAL LETTER IE"),
    ('Н', 'H', "CYRILLIC", "CAPITAL LETTER EN"),
    ('К', 'K', "CYRILLIC", "CAPITAL LETTER KA"),
    ('М', 'M', "CYRILLIC", "CAPITAL LETTER EM"),
    ('О', 'O', "CYRILLIC", "CAPITAL LETTER O"),
    ('Р', 'P', "CYRILLIC", "CAPITAL LETTER ER"),
    ('Т', 'T', "CYRILLIC", "CAPITAL LETTER TE"),
    ('Х', 'X', "CYRILLIC", "CAPITAL LETTER HA"),
    ('У', 'Y', "CYRILLIC", "CAPITAL LETTER U"),
    ('І', 'I', "CYRILLIC", "CAPITAL LETTER BYELORUSSIAN-UKRAINIAN I"),
    ('Ѕ', 'S', "CYRILLIC", "CAPITAL LETTER DZE"),
    ('Α', 'A', "GREEK", "CAPITAL LETTER ALPHA"),
    ('Β', 'B', "GREEK", "CAPITAL LETTER BETA"),
    ('Ε', 'E', "GREEK", "CAPITAL LETTER EPSILON"),
    ('Ζ', 'Z', "GREEK", "CAPITAL LETTER ZETA"),
    ('Η', 'H', "GREEK", "CAPITAL LETTER ETA"),
    ('Ι', 'I', "GREEK", "CAPITAL LETTER IOTA"),
    ('Κ', 'K', "GREEK", "CAPITAL LETTER KAPPA"),
    ('Μ', 'M', "GREEK", "CAPITAL LETTER MU"),
    ('Ν', 'N', "GREEK", "CAPITAL LETTER NU"),
    ('Ο', 'O', "GREEK", "CAPITAL LETTER OMICRON"),
    ('Ρ', 'P', "GREEK", "CAPITAL LETTER RHO"),
    ('Τ', 'T', "GREEK", "CAPITAL LETTER TAU"),
    ('Υ', 'Y', "GREEK", "CAPITAL LETTER UPSILON"),
    ('Χ', 'X', "GREEK", "CAPITAL LETTER CHI"),
    ('ο', 'o', "GREEK", "SMALL LETTER OMICRON"),
    ('ν', 'v', "GREEK", "SMALL LETTER NU"),
    ('α', 'a', "GREEK", "SMALL LETTER ALPHA"),
];
