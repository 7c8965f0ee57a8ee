//! The bytes of block files: a header that names the network, then one record for each block.

use chain::encoding::Reader;
use chain::hash::{BlockHash, tagged_hash};
use chain::spec::BLOCK_BYTES_MAX;

/// Schema of the block files; the database has one of its own.
pub(super) const BLOCK_FILES_SCHEMA: u32 = 1;

/// Bytes before the first record: magic, schema, number of the file, genesis, checksum.
pub(super) const FILE_HEADER_BYTES: usize = 8 + 4 + 4 + 32 + CHECKSUM_BYTES;

/// Bytes before a block: its length and checksum.
pub(super) const RECORD_HEADER_BYTES: usize = 4 + CHECKSUM_BYTES;

/// Most bytes of one block: what any spec allows, which genesis with all its allocations stays
/// below.
pub(super) const RECORD_BYTES_MAX: u32 = BLOCK_BYTES_MAX;

const CHECKSUM_BYTES: usize = 8;

const MAGIC: &[u8; 8] = b"LODEBLKS";

/// What is wrong with the header of a block file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// It is not as it was written.
    Damaged,
    /// It is whole, and of another network.
    Foreign(BlockHash),
    /// It is whole, and of a newer program.
    Newer(u32),
}

/// The header of file number `file`.
pub(super) fn file_header(genesis: &BlockHash, file: u32) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&BLOCK_FILES_SCHEMA.to_le_bytes());
    bytes.extend_from_slice(&file.to_le_bytes());
    bytes.extend_from_slice(&genesis.0);
    let checksum = checksum(&[&bytes]);
    bytes.extend_from_slice(&checksum);
    bytes.try_into().expect("the parts add up to the header")
}

/// Whether `bytes` are the header of file number `file` of the network of `genesis`.
pub(super) fn check_file_header(
    bytes: &[u8; FILE_HEADER_BYTES],
    genesis: &BlockHash,
    file: u32,
) -> Result<(), HeaderFault> {
    let (content, written) = bytes.split_at(FILE_HEADER_BYTES - CHECKSUM_BYTES);
    let mut reader = Reader::new(content);
    let mut parts = || {
        let magic = reader.array::<8>()?;
        Ok::<_, chain::encoding::DecodeError>((
            magic,
            reader.u32()?,
            reader.u32()?,
            BlockHash(reader.array()?),
        ))
    };
    let (magic, schema, number, network) = parts().map_err(|_| HeaderFault::Damaged)?;
    if written != checksum(&[content]) || magic != *MAGIC || schema == 0 {
        return Err(HeaderFault::Damaged);
    }
    if schema > BLOCK_FILES_SCHEMA {
        return Err(HeaderFault::Newer(schema));
    }
    if network != *genesis {
        return Err(HeaderFault::Foreign(network));
    }
    if number == file { Ok(()) } else { Err(HeaderFault::Damaged) }
}

/// Length, checksum and block as they are written; `None` for a block that no spec allows.
pub(super) fn record(block: &[u8]) -> Option<Vec<u8>> {
    let length =
        u32::try_from(block.len()).ok().filter(|length| *length <= RECORD_BYTES_MAX)?.to_le_bytes();
    let mut bytes = Vec::with_capacity(RECORD_HEADER_BYTES + block.len());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(&[&length, block]));
    bytes.extend_from_slice(block);
    Some(bytes)
}

/// The length that a record claims; `None` when no block is that long or that short.
pub(super) fn claimed_length(header: &[u8; RECORD_HEADER_BYTES]) -> Option<u32> {
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let shortest = chain::header::HEADER_BYTES as u32;
    (shortest..=RECORD_BYTES_MAX).contains(&length).then_some(length)
}

/// Whether `block` is what was written behind `header`.
pub(super) fn is_whole(header: &[u8; RECORD_HEADER_BYTES], block: &[u8]) -> bool {
    let (length, written) = header.split_at(4);
    written == checksum(&[length, block])
}

/// The first bytes of a tagged SHA-256: no flip, swap or tear passes for the original by chance.
fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    let hash = tagged_hash("lode/record", parts);
    *hash.first_chunk().expect("a hash is longer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GENESIS: BlockHash = BlockHash([7; 32]);

    proptest! {
        #[test]
        fn every_flipped_bit_of_a_file_header_is_noticed(bit in 0..FILE_HEADER_BYTES * 8) {
            let mut bytes = file_header(&GENESIS, 3);
            prop_assert_eq!(check_file_header(&bytes, &GENESIS, 3), Ok(()));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(check_file_header(&bytes, &GENESIS, 3), Err(HeaderFault::Damaged));
        }

        #[test]
        fn every_flipped_bit_of_a_record_is_noticed(
            block in prop::collection::vec(any::<u8>(), 80..300),
            bit: prop::sample::Index,
        ) {
            let mut bytes = record(&block).unwrap();
            let flip = bit.index(bytes.len() * 8);
            bytes[flip / 8] ^= 1 << (flip % 8);
            let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>().unwrap();
            let found = claimed_length(header).and_then(|length| rest.get(..length as usize));
            prop_assert!(!found.is_some_and(|block| is_whole(header, block)));
        }
    }

    #[test]
    fn a_header_of_another_network_a_newer_program_or_another_file_is_told_apart() {
        let header = file_header(&GENESIS, 3);
        let other = BlockHash([8; 32]);
        assert_eq!(check_file_header(&header, &other, 3), Err(HeaderFault::Foreign(GENESIS)));
        assert_eq!(check_file_header(&header, &GENESIS, 4), Err(HeaderFault::Damaged));
        let mut newer = header;
        newer[8..12].copy_from_slice(&(BLOCK_FILES_SCHEMA + 1).to_le_bytes());
        let checksum = checksum(&[&newer[..FILE_HEADER_BYTES - CHECKSUM_BYTES]]);
        newer[FILE_HEADER_BYTES - CHECKSUM_BYTES..].copy_from_slice(&checksum);
        let fault = HeaderFault::Newer(BLOCK_FILES_SCHEMA + 1);
        assert_eq!(check_file_header(&newer, &GENESIS, 3), Err(fault));
    }

    #[test]
    fn a_block_that_no_spec_allows_has_no_record() {
        assert!(record(&vec![0; RECORD_BYTES_MAX as usize]).is_some());
        assert!(record(&vec![0; RECORD_BYTES_MAX as usize + 1]).is_none());
    }
}
