//! Consensus bytes: a fixed little-endian layout, written by hand and read strictly.
//!
//! Every value has exactly one encoding: sizes are minimal, nothing may follow the last byte, and a
//! claimed length allocates nothing before its bytes are there.

/// What is wrong with bytes that should have been a block, transaction, header or spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("ends after {got} bytes where {wanted} more were expected")]
    Truncated {
        /// Bytes that were left.
        got: usize,
        /// Bytes the next value needs.
        wanted: usize,
    },
    /// Bytes follow the last value.
    #[error("{0} bytes follow the end")]
    TrailingBytes(usize),
    /// A compact size in a longer form than needed.
    #[error("size {0} is not in its shortest form")]
    NonMinimalSize(u64),
    /// A list claims more entries than the rest of the bytes could hold.
    #[error("claims {claimed} entries where at most {possible} could follow")]
    ImpossibleCount {
        /// The count that was claimed.
        claimed: u64,
        /// How many of the smallest entries could still follow.
        possible: usize,
    },
    /// The first byte of a transaction is neither 0 nor 1.
    #[error("unknown transaction kind {0}")]
    UnknownKind(u8),
}

/// Appends values in consensus form to `bytes`.
pub trait Encode {
    /// Appends this value's consensus bytes.
    fn encode_to(&self, bytes: &mut Vec<u8>);

    /// This value's consensus bytes.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_to(&mut bytes);
        bytes
    }
}

/// Reads values in consensus form.
pub trait Decode: Sized {
    /// Reads one value from where the reader stands.
    ///
    /// # Errors
    /// The first byte that does not fit.
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads one value from all of `bytes`.
    ///
    /// # Errors
    /// The first byte that does not fit, or bytes left over.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode_from(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Appends Bitcoin's compact size in its shortest form.
pub fn write_compact_size(size: u64, bytes: &mut Vec<u8>) {
    let le = size.to_le_bytes();
    match size {
        0..=0xfc => bytes.push(le[0]),
        0xfd..=0xffff => bytes.extend_from_slice(&[0xfd, le[0], le[1]]),
        0x1_0000..=0xffff_ffff => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&le[..4]);
        }
        _ => {
            bytes.push(0xff);
            bytes.extend_from_slice(&le);
        }
    }
}

/// Appends a list: its count, then its entries.
pub fn write_list<T: Encode>(entries: &[T], bytes: &mut Vec<u8>) {
    write_compact_size(entries.len() as u64, bytes);
    for entry in entries {
        entry.encode_to(bytes);
    }
}

/// A position in bytes from outside.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.rest.len() {
            return Err(DecodeError::Truncated { got: self.rest.len(), wanted: count });
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("take returned exactly N bytes"))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bitcoin's compact size, in its shortest form only.
    ///
    /// # Errors
    /// [`DecodeError::NonMinimalSize`], or [`DecodeError::Truncated`] at the end.
    pub fn compact_size(&mut self) -> Result<u64, DecodeError> {
        let (size, least) = match self.u8()? {
            0xff => (self.u64()?, 0x1_0000_0000),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            0xfd => (u64::from(self.u16()?), 0xfd),
            small => (u64::from(small), 0),
        };
        if size < least {
            return Err(DecodeError::NonMinimalSize(size));
        }
        Ok(size)
    }

    /// A list whose entries take at least `entry_bytes_min` bytes each: a count that the rest of
    /// the bytes cannot hold is refused before anything is allocated for it.
    ///
    /// # Errors
    /// [`DecodeError::ImpossibleCount`], or whatever an entry reports.
    pub fn list<T: Decode>(&mut self, entry_bytes_min: usize) -> Result<Vec<T>, DecodeError> {
        let claimed = self.compact_size()?;
        let possible = self.remaining() / entry_bytes_min.max(1);
        let count = usize::try_from(claimed)
            .ok()
            .filter(|count| *count <= possible)
            .ok_or(DecodeError::ImpossibleCount { claimed, possible })?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(T::decode_from(self)?);
        }
        Ok(entries)
    }

    /// Asserts that every byte was read.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{OUTPOINT_BYTES, OutPoint};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_compact_size_reads_back(
            size in prop_oneof![0..0x200u64, 0xff00..0x1_0100u64, any::<u64>()],
        ) {
            let mut bytes = Vec::new();
            write_compact_size(size, &mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.compact_size(), Ok(size));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_size_in_a_longer_form_is_refused() {
        for bytes in
            [&[0xfd, 0xfc, 0][..], &[0xfe, 0xff, 0xff, 0, 0], &[0xff, 1, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(matches!(
                Reader::new(bytes).compact_size(),
                Err(DecodeError::NonMinimalSize(_))
            ));
        }
    }

    #[test]
    fn a_list_may_claim_what_the_bytes_can_hold_and_not_an_entry_more() {
        let list = |count: u8, bytes: usize| {
            let bytes = [&[count][..], &vec![1; bytes]].concat();
            Reader::new(&bytes).list::<OutPoint>(OUTPOINT_BYTES).map(|entries| entries.len())
        };
        assert_eq!(list(3, 3 * OUTPOINT_BYTES), Ok(3));
        for bytes in [3 * OUTPOINT_BYTES, 4 * OUTPOINT_BYTES - 1] {
            let impossible = DecodeError::ImpossibleCount { claimed: 4, possible: 3 };
            assert_eq!(list(4, bytes), Err(impossible));
        }
    }
}
