//! Limits the frames of the protocol: the crate reserves what a header requests.

use std::io::{self, BufRead, ErrorKind, Read};

/// Most bytes of one message: a document is sent whole, and JSON escapes it.
const MOST: u64 = 256 * 1024 * 1024;

/// Reads frames, and ends at a header that announces more than any message has.
pub(super) struct Frames<R>(pub(super) R);

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: BufRead> BufRead for Frames<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }

    /// Reads a line; the crate reads the lines of headers so, and no others.
    fn read_line(&mut self, line: &mut String) -> io::Result<usize> {
        let start = line.len();
        let read = self.0.read_line(line)?;
        let header = line.get(start..).and_then(|line| line.split_once(':'));
        let length = header.filter(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
        let digits = length.map(|(_, value)| value.trim());
        let is_number =
            |digits: &&str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Digits beyond a u64 are too many bytes as well; of what is no number the crate says so.
        if let Some(digits) = digits.filter(is_number)
            && digits.parse::<u64>().map_or(true, |length| length > MOST)
        {
            let message = format!("Content-Length: {digits} exceeds the limit of {} MiB", MOST >> 20);
            return Err(io::Error::new(ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_asks_for_too_much_is_an_error() {
        for (header, is_good) in [
            ("Content-Length: 12\r\n", true),
            ("Content-Length: 268435456\r\n", true),
            ("content-length: 268435457\r\n", false),
            ("Content-Length: 99999999999999999999999\r\n", false),
            ("Content-Length: -5\r\n", true),
            ("Content-Type: a\r\n", true),
        ] {
            let mut line = String::new();
            let read = Frames(header.as_bytes()).read_line(&mut line);
            assert_eq!(read.is_ok(), is_good, "{header}");
        }
    }
}
