/* Hooks into librdkafka's producer, for dead letters: records with the time 1970-01-01T00:00:00Z, and the broker's text for
 * a record that it has rejected.
 *
 * The time is 0, which librdkafka takes for "now" (rdkafka_msg.c, rd_kafka_msg_new0). So the host passes the smallest number
 * instead, and an interceptor replaces it before the record is queued. The text belongs to the response, which is freed
 * before the delivery report is read (rdkafka_request.c, rd_kafka_handle_Produce), so rd_kafka_message_produce_errstr returns
 * a dangling pointer; another interceptor copies it in time.
 *
 * Interceptors can be added only while a client is created, through its configuration, which rust-rdkafka does not pass on.
 * Compiled against the very headers of the librdkafka it is linked with: a version that differs fails to compile rather than
 * at run time.
 */
#include "rd.h"
#include "rdkafka_int.h"
#include "rdkafka_msg.h"

static rd_kafka_resp_err_t replace_time(rd_kafka_t *rk, rd_kafka_message_t *rkmessage, void *opaque) {
        rd_kafka_msg_t *rkm = rd_kafka_message2msg(rkmessage);

        (void)rk;
        (void)opaque;
        if (rkm->rkm_timestamp == INT64_MIN)
                rkm->rkm_timestamp = 0;
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Called once for each record, by the thread that handles the response. */
static rd_kafka_resp_err_t copy_text(rd_kafka_t *rk, rd_kafka_message_t *rkmessage, void *opaque) {
        rd_kafka_msg_t *rkm = rd_kafka_message2msg(rkmessage);

        (void)rk;
        (void)opaque;
        if (rkm->rkm_u.producer.errstr)
                rkm->rkm_u.producer.errstr = rd_strdup(rkm->rkm_u.producer.errstr);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Adds the interceptors to a producer that has no record yet. librdkafka reads the flag only to refuse interceptors, and the
 * lists of them only when there is a record. */
rd_kafka_resp_err_t tidegate_hook_records(rd_kafka_t *rk) {
        rd_kafka_resp_err_t error;

        rk->rk_initialized = 0;
        error = rd_kafka_interceptor_add_on_send(rk, "tidegate", replace_time, NULL);
        if (!error)
                error = rd_kafka_interceptor_add_on_acknowledgement(rk, "tidegate", copy_text, NULL);
        rk->rk_initialized = 1;
        return error;
}

/* Takes the broker's text out of a delivery report of such a producer; the caller frees it. NULL if there is none. */
char *tidegate_take_rejection_text(rd_kafka_message_t *rkmessage) {
        rd_kafka_msg_t *rkm = rd_kafka_message2msg(rkmessage);
        char *text          = (char *)rkm->rkm_u.producer.errstr;

        rkm->rkm_u.producer.errstr = NULL;
        return text;
}
