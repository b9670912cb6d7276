#!/usr/bin/env bash
# Runs a command beside a real Apache Kafka: one broker on loopback, gone with the command.
#
#     tests/kafka/with-kafka.sh cargo test -p tidegate-tests --test real_kafka
#
# Needs Java 17 or newer with keytool, and Maven, which fetches Kafka (pom.xml) into target/kafka on the first run.
# The command finds the broker in its environment:
#
#     TIDEGATE_TEST_KAFKA         host:port without security
#     TIDEGATE_TEST_KAFKA_SECURE  host:port with TLS and SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER (unsecured
#                                 tokens); user `tidegate`, password `tide-secret`
#     TIDEGATE_TEST_KAFKA_CA      the certificate to trust, PEM
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$here/../../target/kafka
libs=$cache/libs-$(cksum <"$here/pom.xml" | cut -d ' ' -f 1)
work=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-kafka.XXXXXX")
broker=

stop() {
    if [[ -n $broker ]]; then
        kill "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

fail() {
    echo "with-kafka.sh: $*" >&2
    exit 1
}

fetch() {
    [[ -d $libs ]] && return
    echo "with-kafka.sh: fetching Kafka with Maven" >&2
    mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$work/libs" >&2
    mkdir -p "$cache"
    # Another run may have been quicker.
    mv "$work/libs" "$libs" 2>/dev/null || [[ -d $libs ]]
}

# A port that nobody listens on, below those that the system hands out by itself.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

certificate() {
    keytool -genkeypair -alias broker -keyalg RSA -keysize 2048 -validity 2 -dname CN=localhost \
        -ext san=ip:127.0.0.1,dns:localhost -storetype PKCS12 -keystore "$work/broker.p12" -storepass changeit 2>/dev/null
    keytool -exportcert -rfc -alias broker -keystore "$work/broker.p12" -storepass changeit >"$work/ca.pem" 2>/dev/null
}

properties() {
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$secure,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs=$work/data
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
ssl.keystore.location=$work/broker.p12
ssl.keystore.password=changeit
ssl.keystore.type=PKCS12
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_tidegate="tide-secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
PROPERTIES
}


[[ $# -gt 0 ]] || fail "name a command to run"
for tool in java keytool mvn; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install a JDK of version 17 or newer, and Maven"
done
fetch
certificate
plain=$(free_port) secure=$(free_port) controller=$(free_port)
properties >"$work/server.properties"
java -cp "$libs/*" kafka.tools.StorageTool format --config "$work/server.properties" --cluster-id dGlkZWdhdGUtdGVzdHMtMQ \
    --add-scram 'SCRAM-SHA-256=[name=tidegate,password=tide-secret]' \
    --add-scram 'SCRAM-SHA-512=[name=tidegate,password=tide-secret]' >"$work/format.log" 2>&1 ||
    { cat "$work/format.log" >&2; fail "formatting the broker's storage"; }
java -Xmx384m -cp "$libs/*" kafka.Kafka "$work/server.properties" >"$work/broker.log" 2>&1 &
broker=$!
for ((tenth = 0; ; tenth++)); do
    kill -0 "$broker" 2>/dev/null || { tail -n 40 "$work/broker.log" >&2; fail "the broker ended"; }
    (exec 3<>"/dev/tcp/127.0.0.1/$secure") 2>/dev/null && (exec 3<>"/dev/tcp/127.0.0.1/$plain") 2>/dev/null && break
    ((tenth < 600)) || { tail -n 40 "$work/broker.log" >&2; fail "the broker does not listen after a minute"; }
    sleep 0.1
done

TIDEGATE_TEST_KAFKA=127.0.0.1:$plain TIDEGATE_TEST_KAFKA_SECURE=127.0.0.1:$secure TIDEGATE_TEST_KAFKA_CA=$work/ca.pem "$@"
