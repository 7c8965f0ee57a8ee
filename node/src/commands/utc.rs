//! Times of blocks as people read them.

use jiff::Timestamp;

/// Seconds since 1970 as a date and a time of day, in UTC wherever the computer stands.
pub(in crate::commands) fn utc(time: u32) -> String {
    let timestamp = Timestamp::from_second(time.into()).expect("a time of 32 bits is before 2107");
    timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (time, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_231_006_505, "2009-01-03 18:15:05 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (u32::MAX, "2106-02-07 06:28:15 UTC"),
        ] {
            assert_eq!(utc(time), date);
        }
    }
}
