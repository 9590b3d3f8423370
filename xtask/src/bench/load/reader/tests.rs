use super::*;

/// Feeds an answer in pieces of `step` bytes.
fn read(answer: &[u8], expected: &[u8], step: usize) -> Result<Seen, Fault> {
    let mut reader = Reader::new(Some(expected));
    let mut buffer = Vec::new();
    for piece in answer.chunks(step) {
        buffer.extend_from_slice(piece);
        let used = reader.advance(&buffer)?;
        buffer.drain(..used);
    }
    if !reader.finished() {
        reader.close()?;
    }
    reader.seen()
}

#[test]
fn complete_answers_are_read_in_any_pieces() {
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    let closed = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello";
    for step in 1..80 {
        assert_eq!(read(sized, b"hello", step).map(|seen| seen.parts), Ok(1));
        assert_eq!(read(chunked, b"hello", step).map(|seen| seen.parts), Ok(2));
        assert_eq!(read(closed, b"hello", step).map(|seen| seen.closes), Ok(true));
    }
}

#[test]
fn wrong_answers_are_faults() {
    let cut = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n";
    let short = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n";
    let other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo";
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!";
    let refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}";
    for step in [1, 7, 500] {
        assert_eq!(read(cut, b"hello", step).err(), Some(Fault::CutShort));
        assert_eq!(read(short, b"hello", step).err(), Some(Fault::CutShort));
        assert_eq!(read(other, b"hello", step).err(), Some(Fault::Altered));
        assert_eq!(read(long, b"hello", step).err(), Some(Fault::Altered));
        assert_eq!(read(refused, b"hello", step).err(), Some(Fault::Status(401)));
    }
}
