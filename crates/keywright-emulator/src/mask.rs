//! Two ways to show a key: OpenAI's echo, and a safe one for our own listings.

/// Masks as OpenAI echoes: the first 8, stars, the last 4; 12 characters or fewer are echoed in clear.
pub(crate) fn openai_echo(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let Some(stars) = letters.len().checked_sub(12).filter(|stars| *stars > 0) else {
        return key.to_owned();
    };
    let head = letters.iter().take(8);
    let tail = letters.iter().skip(8 + stars);
    head.copied().chain(std::iter::repeat_n('*', stars)).chain(tail.copied()).collect()
}

/// Masks for our own listings: never more than the first 8 and the last 4, and nothing of a short key.
pub(crate) fn listing(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() < 20 {
        return format!("({} characters)", letters.len());
    }
    let head: String = letters.iter().take(8).collect();
    let tail: String = letters.iter().skip(letters.len() - 4).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_keeps_the_length() {
        let key = format!("sk-proj-{}WXYZ", "a".repeat(152));
        let echo = openai_echo(&key);
        assert_eq!(echo.chars().count(), key.len());
        assert!(echo.starts_with("sk-proj-*") && echo.ends_with("*WXYZ"));
    }

    #[test]
    fn a_short_key_is_echoed_in_clear() {
        assert_eq!(openai_echo("bad apiKey"), "bad apiKey");
        assert_eq!(openai_echo("123456789012"), "123456789012");
        assert_eq!(openai_echo("1234567890123"), "12345678*0123");
        assert_eq!(openai_echo(""), "");
    }

    #[test]
    fn a_listing_never_shows_a_short_key() {
        assert_eq!(listing("hunter2"), "(7 characters)");
        assert_eq!(listing("fw_AAAAAAAAAAAAAAAAAAAA0001"), "fw_AAAAA…0001");
    }
}
