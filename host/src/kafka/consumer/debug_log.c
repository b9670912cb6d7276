/* Turns the parts of a consumer's debug log on and off that contain what brokers answer while it waits for its group.
 *
 * librdkafka takes the parts only when a client is created, and they are long while records are read. Compiled against the
 * very headers of the librdkafka it is linked with: a version that differs fails to compile rather than at run time.
 */
#include "rd.h"
#include "rdkafka_int.h"

/* librdkafka only tests single bits of the field, in any thread. */
void tidegate_log_group(rd_kafka_t *rk, int is_logged) {
        const int parts = RD_KAFKA_DBG_CGRP | RD_KAFKA_DBG_TOPIC;

        if (is_logged)
                rk->rk_conf.debug |= parts;
        else
                rk->rk_conf.debug &= ~parts;
}
