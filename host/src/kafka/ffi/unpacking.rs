//! The limit on what the compressed batches of a consumer unpack to; see `unpacking/batch_limit.c`.

use std::ffi::c_int;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka_sys as sys;

unsafe extern "C" {
    fn tidegate_limit_unpacking(client: *const sys::rd_kafka_t, max: u64, skips: c_int);
    fn tidegate_forget_limit(client: *const sys::rd_kafka_t);
}

/// The limit of one consumer. It must be dropped before the consumer, because another may get the same address afterwards.
pub(in crate::kafka) struct UnpackingLimit(*const sys::rd_kafka_t);

// SAFETY: the pointer is only compared, under a lock.
unsafe impl Send for UnpackingLimit {}
// SAFETY: as above.
unsafe impl Sync for UnpackingLimit {}

impl UnpackingLimit {
    /// Limits what each batch of `consumer`, and all batches that it has not passed on yet, unpack to, in bytes. A larger batch
    /// is an error of its partition, which says [that it was skipped](super::FetchError::skipped) if it `skips` them.
    pub(in crate::kafka) fn set<C: ConsumerContext>(
        consumer: &BaseConsumer<C>,
        max: usize,
        skips: bool,
    ) -> Self {
        let client = consumer.client().native_ptr().cast_const();
        // SAFETY: the pointer is stored and compared, until `self` is dropped.
        unsafe { tidegate_limit_unpacking(client, max as u64, skips.into()) }
        Self(client)
    }
}

impl Drop for UnpackingLimit {
    fn drop(&mut self) {
        // SAFETY: the pointer is only compared.
        unsafe { tidegate_forget_limit(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::io::Write as _;

    use proptest::prelude::*;

    unsafe extern "C" {
        fn tidegate_unpacked_size(codec: c_int, batch: *const c_void, length: usize, max: u64) -> u64;
        fn tidegate_unpack_gzip_at_once(
            batch: *const c_void,
            length: usize,
            max: u64,
            size: *mut u64,
        ) -> *mut c_void;
        fn free(memory: *mut c_void);
    }

    use super::c_int;

    const GZIP: c_int = 1;
    const SNAPPY: c_int = 2;
    const LZ4: c_int = 3;
    const ZSTD: c_int = 4;

    fn size(codec: c_int, batch: &[u8], max: u64) -> u64 {
        // SAFETY: the batch has this length and outlives the call.
        unsafe { tidegate_unpacked_size(codec, batch.as_ptr().cast(), batch.len(), max) }
    }

    /// What a batch in gzip unpacks to, if it has the size that it says.
    fn unpacked_at_once(batch: &[u8], max: u64) -> Option<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the batch has this length; what is returned has this size, is copied and freed.
        unsafe {
            let unpacked =
                tidegate_unpack_gzip_at_once(batch.as_ptr().cast(), batch.len(), max, &raw mut size);
            if unpacked.is_null() {
                return None;
            }
            let bytes = std::slice::from_raw_parts(unpacked.cast::<u8>(), size as usize).to_vec();
            free(unpacked);
            Some(bytes)
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    /// Without the size of the content in its head, as Java's producer writes it.
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; bytes.len() + 1024];
        // SAFETY: the buffers have these lengths, and the context is freed.
        unsafe {
            let context = zstd_sys::ZSTD_createCCtx();
            zstd_sys::ZSTD_CCtx_setParameter(context, zstd_sys::ZSTD_cParameter::ZSTD_c_contentSizeFlag, 0);
            let length = zstd_sys::ZSTD_compress2(
                context,
                packed.as_mut_ptr().cast(),
                packed.len(),
                bytes.as_ptr().cast(),
                bytes.len(),
            );
            zstd_sys::ZSTD_freeCCtx(context);
            assert_eq!(zstd_sys::ZSTD_isError(length), 0);
            packed.truncate(length);
        }
        packed
    }

    /// One block with these literals, then `matches` bytes that repeat the last one.
    fn lz4(literals: &[u8], matches: usize) -> Vec<u8> {
        fn add_length(block: &mut Vec<u8>, length: usize) {
            if let Some(mut more) = length.checked_sub(15) {
                while more >= 255 {
                    block.push(255);
                    more -= 255;
                }
                block.push(more as u8);
            }
        }
        let mut block = Vec::new();
        block.push((literals.len().min(15) << 4) as u8 | matches.saturating_sub(4).min(15) as u8);
        add_length(&mut block, literals.len());
        block.extend(literals);
        block.extend([1, 0]);
        add_length(&mut block, matches - 4);
        // Five literals at the end, as the format demands.
        block.push(5 << 4);
        block.extend([0; 5]);
        let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0];
        frame.extend((block.len() as u32).to_le_bytes());
        frame.extend(block);
        frame.extend([0; 4]);
        frame
    }

    fn varint(mut size: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while size >= 128 {
            bytes.push(size as u8 | 128);
            size >>= 7;
        }
        bytes.push(size as u8);
        bytes
    }

    /// Blocks of snappy-java. Only their sizes are there: more is not read.
    fn snappy_java(sizes: &[u32]) -> Vec<u8> {
        let mut batch = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for size in sizes {
            let block = varint(*size);
            batch.extend((block.len() as u32).to_be_bytes());
            batch.extend(block);
        }
        batch
    }

    #[test]
    fn what_is_larger_than_the_limit_is_found_without_unpacking_all_of_it() {
        let zeros = vec![0; 8 << 20];
        let max = 1 << 20;
        for (codec, batch) in [(GZIP, gzip(&zeros)), (ZSTD, zstd(&zeros)), (LZ4, lz4(&[0], 8 << 20))] {
            assert!(batch.len() < 64 << 10, "{codec}: {}", batch.len());
            assert_eq!(size(codec, &batch, max), max + 1, "{codec}");
        }
        assert_eq!(size(SNAPPY, &varint(u32::MAX), max), max + 1);
        assert_eq!(size(SNAPPY, &snappy_java(&[1 << 19; 3]), max), max + 1);
    }

    #[test]
    fn a_batch_in_gzip_that_lies_about_its_size_is_measured() {
        let batch = gzip(&[7; 5000]);
        assert_eq!(unpacked_at_once(&batch, 5000), Some(vec![7; 5000]));
        assert_eq!(unpacked_at_once(&batch, 4999), None);
        for said in [0_u32, 1, 4999, 5001, u32::MAX] {
            let mut lying = batch.clone();
            lying.splice(batch.len() - 4.., said.to_le_bytes());
            assert_eq!(unpacked_at_once(&lying, u64::from(u32::MAX)), None, "{said}");
        }
        // Without the end, and with something after it.
        assert_eq!(unpacked_at_once(&batch[..batch.len() - 8], 5000), None);
        assert_eq!(unpacked_at_once(&[&batch[..], b"more"].concat(), u64::MAX), None);
    }

    proptest! {
        #[test]
        fn sizes_are_exact(bytes in proptest::collection::vec(0..4_u8, 0..300_000), matches in 4..100_000_usize) {
            let length = bytes.len() as u64;
            prop_assert_eq!(size(GZIP, &gzip(&bytes), length), length);
            prop_assert_eq!(unpacked_at_once(&gzip(&bytes), length), Some(bytes.clone()).filter(|_| length > 0));
            // Exact if that decides, and otherwise not less.
            prop_assert!(size(ZSTD, &zstd(&bytes), u64::MAX - 1) >= length);
            if length > 0 {
                prop_assert_eq!(size(GZIP, &gzip(&bytes), length - 1), length);
                prop_assert_eq!(size(ZSTD, &zstd(&bytes), length - 1), length);
                prop_assert!(size(ZSTD, &zstd(&bytes), length) <= length);
            }
            let unpacked = length + matches as u64 + 5;
            prop_assert_eq!(size(LZ4, &lz4(&bytes, matches), u64::MAX - 1), unpacked);
        }

        #[test]
        fn snappy_says_how_large_its_blocks_are(sizes in proptest::collection::vec(1_u32.., 2..20)) {
            let sum = sizes.iter().map(|size| u64::from(*size)).sum::<u64>();
            prop_assert_eq!(size(SNAPPY, &snappy_java(&sizes), u64::MAX - 1), sum);
            prop_assert_eq!(size(SNAPPY, &varint(sizes[0]), u64::MAX - 1), u64::from(sizes[0]));
        }

        /// Under a sanitizer or not, it has to return.
        #[test]
        fn damaged_batches_do_no_harm(
            codec in 0..6,
            mut batch in proptest::collection::vec(any::<u8>(), 0..400),
            head in 0..4_usize,
        ) {
            let heads: [&[u8]; 4] = [&[], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", b"\x04\x22\x4d\x18\x60\x40", b"\x28\xb5\x2f\xfd"];
            batch.splice(0..0, heads[head].iter().copied());
            prop_assert!(size(codec, &batch, 1 << 20) <= (1 << 20) + 1);
        }

        #[test]
        fn changed_batches_do_no_harm(
            bytes in proptest::collection::vec(0..3_u8, 1..2000),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            for (codec, mut batch) in [(GZIP, gzip(&bytes)), (ZSTD, zstd(&bytes)), (LZ4, lz4(&bytes, 5000))] {
                let index = at.index(batch.len());
                batch[index] = byte;
                batch.truncate(cut.index(batch.len()) + 1);
                prop_assert!(size(codec, &batch, 1 << 20) <= (1 << 20) + 1);
                let _unpacked = unpacked_at_once(&batch, 1 << 20);
            }
        }
    }
}
