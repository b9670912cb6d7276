/* Hooks into librdkafka's mock cluster: a log that refuses instead of forgetting, rebalances that end when
 * everybody is there, offsets of empty groups that can be changed, and a fixed port.
 *
 * The mock keeps 5 MiB or 100 000 batches per partition and silently drops what is older (rdkafka_mock.c,
 * rd_kafka_mock_partition_init), lets every rejoin wait for the whole session timeout (rdkafka_mock_cgrp.c,
 * rd_kafka_mock_cgrp_classic_rebalance), and accepts commits of members only once a group has had any. None of it can
 * be configured. Its request handlers are a table per cluster, so four of them are wrapped here. Compiled against the very headers of the librdkafka it is linked
 * with: a version that differs fails to compile rather than at run time.
 */
#include "rd.h"
#include "rdkafka_int.h"
#include "rdkafka_mock_int.h"

#include <stdatomic.h>

typedef int(handler_t)(rd_kafka_mock_connection_t *mconn, rd_kafka_buf_t *rkbuf);

/* The originals: the same three functions for every cluster of the process. */
static handler_t *_Atomic original_produce;
static handler_t *_Atomic original_join_group;
static handler_t *_Atomic original_leave_group;
static handler_t *_Atomic original_offset_commit;

/* Lifts the limits of every partition, so that nothing is ever dropped, and returns the bytes held.
 * Locality: the mock's thread, the only one that changes topics. */
static size_t lift_retention(rd_kafka_mock_cluster_t *mc) {
        rd_kafka_mock_topic_t *topic;
        size_t held = 0;
        int i;

        TAILQ_FOREACH(topic, &mc->topics, link) {
                for (i = 0; i < topic->partition_cnt; i++) {
                        topic->partitions[i].max_size = SIZE_MAX;
                        topic->partitions[i].max_cnt  = SIZE_MAX;
                        held += topic->partitions[i].size;
                }
        }
        return held;
}

/* Refuses a request that would exceed the budget. The budget is the hosting producer's own
 * queue.buffering.max.kbytes: that client never produces, and so the number needs no global of its own. */
static int produce(rd_kafka_mock_connection_t *mconn, rd_kafka_buf_t *rkbuf) {
        rd_kafka_mock_cluster_t *mc     = mconn->broker->cluster;
        const size_t budget             = (size_t)mc->rk->rk_conf.queue_buffering_max_kbytes * 1024;
        const rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_POLICY_VIOLATION;

        if (lift_retention(mc) + rkbuf->rkbuf_totlen > budget)
                rd_kafka_mock_push_request_errors_array(mc, RD_KAFKAP_Produce, 1, &error);
        return atomic_load(&original_produce)(mconn, rkbuf);
}

/* Ends the wait for members of every group in which all known members have joined, as Kafka does. */
static void hurry_complete_groups(rd_kafka_mock_cluster_t *mc) {
        rd_kafka_mock_cgrp_classic_t *group;
        rd_kafka_mock_cgrp_classic_member_t *member;

        TAILQ_FOREACH(group, &mc->cgrps_classic, link) {
                int joined = 0;

                if (group->state != RD_KAFKA_MOCK_CGRP_STATE_JOINING)
                        continue;
                TAILQ_FOREACH(member, &group->members, link) {
                        joined += member->resp != NULL;
                }
                if (joined == 0 || joined < group->member_cnt)
                        continue;
                /* 20 ms, so that tasks started together meet in one generation. */
                if (rd_kafka_timer_next(&mc->timers, &group->rebalance_tmr, rd_true) > 20 * 1000)
                        rd_kafka_timer_override_once(&mc->timers, &group->rebalance_tmr, 20 * 1000);
        }
}

static int join_group(rd_kafka_mock_connection_t *mconn, rd_kafka_buf_t *rkbuf) {
        rd_kafka_mock_cluster_t *mc = mconn->broker->cluster;
        int r                       = atomic_load(&original_join_group)(mconn, rkbuf);

        hurry_complete_groups(mc);
        return r;
}

static int leave_group(rd_kafka_mock_connection_t *mconn, rd_kafka_buf_t *rkbuf) {
        rd_kafka_mock_cluster_t *mc = mconn->broker->cluster;
        int r                       = atomic_load(&original_leave_group)(mconn, rkbuf);

        hurry_complete_groups(mc);
        return r;
}

/* Forgets the groups without members, but not their offsets, so that a client that is no member can commit, as in
 * Kafka. */
static void forget_empty_groups(rd_kafka_mock_cluster_t *mc) {
        rd_kafka_mock_cgrp_classic_t *group, *next;

        TAILQ_FOREACH_SAFE(group, &mc->cgrps_classic, link, next) {
                if (TAILQ_EMPTY(&group->members))
                        rd_kafka_mock_cgrp_classic_destroy(group);
        }
}

static int offset_commit(rd_kafka_mock_connection_t *mconn, rd_kafka_buf_t *rkbuf) {
        forget_empty_groups(mconn->broker->cluster);
        return atomic_load(&original_offset_commit)(mconn, rkbuf);
}

static void wrap(rd_kafka_mock_cluster_t *mc, int api, handler_t *_Atomic *original, handler_t *wrapper) {
        atomic_store(original, mc->api_handlers[api].cb);
        mc->api_handlers[api].cb = wrapper;
}

/* Installs the hooks. Call once per cluster, before any client knows its address. The mock names broker 0 as its
 * controller, which it does not have: clients with an admin request would wait for it instead of hearing that there are
 * none. */
void tidegate_mock_install(rd_kafka_mock_cluster_t *mc) {
        mc->controller_id = TAILQ_FIRST(&mc->brokers)->id;
        wrap(mc, RD_KAFKAP_Produce, &original_produce, produce);
        wrap(mc, RD_KAFKAP_JoinGroup, &original_join_group, join_group);
        wrap(mc, RD_KAFKAP_LeaveGroup, &original_leave_group, leave_group);
        wrap(mc, RD_KAFKAP_OffsetCommit, &original_offset_commit, offset_commit);
}

/* Moves broker 1 to an IPv4 address (host byte order) and port. The caller then sets the broker down and up:
 * the mock binds its listener anew, to what is set here, and advertises it. */
void tidegate_mock_set_address(rd_kafka_mock_cluster_t *mc, uint32_t address, uint16_t port) {
        rd_kafka_mock_broker_t *broker = TAILQ_FIRST(&mc->brokers);

        broker->sin.sin_addr.s_addr = htonl(address);
        broker->sin.sin_port        = htons(port);
        broker->port                = port;
        rd_snprintf(broker->advertised_listener, sizeof(broker->advertised_listener), "%s",
                    rd_sockaddr2str(&broker->sin, 0));
}
