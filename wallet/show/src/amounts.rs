//! Amounts where the column is no matter.

/// An amount without the zeros at its end.
pub fn brief(amount: &str) -> &str {
    amount.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_lose_the_zeros_behind_the_point_alone() {
        assert_eq!(brief("100.00000000"), "100");
        assert_eq!(brief("0.00010000"), "0.0001");
        assert_eq!(brief("0.00000000"), "0");
    }
}
