/* Limits what the compressed batches of a consumer unpack to.
 *
 * librdkafka unpacks all batches of a response at once, and only zstd has a limit there. build.rs includes this file in
 * rdkafka_msgset_reader.c, in front of the function that unpacks a batch, and adds a call of `tidegate_may_unpack` to it.
 */
#include <pthread.h>

#include "unpacked_size.h"

/* What a consumer accepts. */
struct tidegate_limit {
        struct tidegate_limit *next;
        const rd_kafka_t *rk;
        uint64_t max;
        int skips;
};

static pthread_rwlock_t tidegate_limits_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct tidegate_limit *tidegate_limits;

/* Limits what each batch of a consumer, and all its batches that are not read yet, unpack to. What is larger is an error of the
 * partition, or is skipped after an error that says so. */
void tidegate_limit_unpacking(const rd_kafka_t *rk, uint64_t max, int skips) {
        struct tidegate_limit *limit = rd_malloc(sizeof(*limit));

        pthread_rwlock_wrlock(&tidegate_limits_lock);
        *limit          = (struct tidegate_limit) {tidegate_limits, rk, max, skips};
        tidegate_limits = limit;
        pthread_rwlock_unlock(&tidegate_limits_lock);
}

/* Forgets a consumer that is about to be destroyed. */
void tidegate_forget_limit(const rd_kafka_t *rk) {
        struct tidegate_limit **at, *found;

        pthread_rwlock_wrlock(&tidegate_limits_lock);
        for (at = &tidegate_limits; *at && (*at)->rk != rk; at = &(*at)->next)
                ;
        if ((found = *at))
                *at = found->next;
        pthread_rwlock_unlock(&tidegate_limits_lock);
        if (found)
                rd_free(found);
}

/* Other consumers, such as those that read dead letters, have the limit that librdkafka has for zstd. */
static struct tidegate_limit tidegate_limit_of(const rd_kafka_t *rk) {
        struct tidegate_limit limit = {NULL, rk, (uint64_t)rk->rk_conf.recv_max_msg_size, 0};
        const struct tidegate_limit *at;

        pthread_rwlock_rdlock(&tidegate_limits_lock);
        for (at = tidegate_limits; at && at->rk != rk; at = at->next)
                ;
        if (at)
                limit = *at;
        pthread_rwlock_unlock(&tidegate_limits_lock);
        return limit;
}

/* Whether the batch belongs to a transaction that was aborted, as rd_kafka_msgset_reader_msgs_v2 finds it out. */
static int tidegate_is_aborted(const rd_kafka_msgset_reader_t *msetr) {
        const struct msgset_v2_hdr *batch = msetr->msetr_v2_hdr;
        const int transactional           = RD_KAFKA_MSGSET_V2_ATTR_TRANSACTIONAL;
        int64_t start;

        if (!batch || !msetr->msetr_aborted_txns ||
            (batch->Attributes & (transactional | RD_KAFKA_MSGSET_V2_ATTR_CONTROL)) != transactional)
                return 0;
        start = rd_kafka_aborted_txns_get_offset(msetr->msetr_aborted_txns, batch->PID);
        return start != -1 && batch->BaseOffset >= start;
}

/* Moves the consumer's position past a batch without passing on records, as the control records of transactions do. */
static void tidegate_skip_batch(rd_kafka_msgset_reader_t *msetr, int64_t last) {
        rd_kafka_fetch_pos_t position = RD_KAFKA_FETCH_POS(last, msetr->msetr_leader_epoch);

        rd_kafka_q_enq(&msetr->msetr_rkq, rd_kafka_op_new_ctrl_msg(msetr->msetr_rktp, msetr->msetr_tver->version,
                                                                   msetr->msetr_rkbuf, position));
        msetr->msetr_msgcnt++;
        if (msetr->msetr_next_offset <= last)
                msetr->msetr_next_offset = last + 1;
}

/* Whether a batch may be unpacked. `size` is what it unpacks to then, or 0 if it is damaged, and `unpacked` is what it unpacks to if
 * that had to be done to find out. Otherwise the function that unpacks it has to return `err`. */
static int tidegate_may_unpack(rd_kafka_msgset_reader_t *msetr, int codec, int64_t offset, const void *batch,
                               size_t length, uint64_t *size, void **unpacked, rd_kafka_resp_err_t *err) {
        const struct msgset_v2_hdr *head = msetr->msetr_v2_hdr;
        struct tidegate_limit limit      = tidegate_limit_of(msetr->msetr_rkb->rkb_rk);
        /* A batch of an older format has the offset of its last record. */
        const int64_t last               = head ? offset + head->LastOffsetDelta : offset;

        if (codec == RD_KAFKA_COMPRESSION_GZIP)
                *unpacked = tidegate_unpack_gzip_at_once(batch, length, limit.max, size);
        if (!*unpacked)
                *size = tidegate_unpacked_size(codec, batch, length, limit.max);
        if (*size <= limit.max) {
                uint64_t queued = rd_kafka_q_size(msetr->msetr_rktp->rktp_fetchq) + rd_kafka_q_size(&msetr->msetr_rkq);

                if (!queued || queued + *size <= limit.max)
                        return 1;
                free(*unpacked);
                /* The rest of the response is fetched again when there is space. Soon if it had records, as for a full queue;
                 * otherwise later, because the size has to be found out again each time. A control record keeps librdkafka from
                 * taking the response for one that had no space for a whole batch. */
                *err = msetr->msetr_msgcnt > 0 ? RD_KAFKA_RESP_ERR__QUEUE_FULL : RD_KAFKA_RESP_ERR__TIMED_OUT;
                msetr->msetr_ctrl_cnt++;
                return 0;
        }
        if (tidegate_is_aborted(msetr)) {
                tidegate_skip_batch(msetr, last);
                *err = RD_KAFKA_RESP_ERR_NO_ERROR;
                return 0;
        }
        *err = limit.skips ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
        rd_kafka_consumer_err(&msetr->msetr_rkq, msetr->msetr_broker_id, RD_KAFKA_RESP_ERR__BAD_COMPRESSION,
                              msetr->msetr_tver->version, NULL, msetr->msetr_rktp, offset,
                              "%sthe batch up to offset %" PRId64 ", %" PRIusz " bytes in %s, unpacks to more than %" PRIu64
                              " bytes",
                              limit.skips ? "skipped: " : "", last, length, rd_kafka_compression2str(codec), limit.max);
        if (limit.skips)
                tidegate_skip_batch(msetr, last);
        return 0;
}
