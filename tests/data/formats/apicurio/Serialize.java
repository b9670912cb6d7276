// Serializes values with the serializers of Apicurio Registry: reads cases as JSON lines, and writes each with the bytes and
// headers of its Kafka value. The only argument is the URL of a registry's own API.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serializer;

public class Serialize {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ObjectNode found = (ObjectNode) MAPPER.readTree(line);
            Map<String, Object> options = new HashMap<>();
            options.put("apicurio.registry.url", arguments[0]);
            found.get("options").fields().forEachRemaining(entry -> options.put(entry.getKey(), entry.getValue().asText()));
            RecordHeaders headers = new RecordHeaders();
            byte[] payload = serialize(found, options, headers);
            found.put("payload", HexFormat.of().formatHex(payload));
            ObjectNode all = found.putObject("headers");
            for (Header header : headers) {
                all.put(header.key(), HexFormat.of().formatHex(header.value()));
            }
            System.out.println(found);
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static byte[] serialize(JsonNode found, Map<String, Object> options, RecordHeaders headers) throws Exception {
        Serializer serializer;
        Object value;
        switch (found.get("schema_type").asText()) {
            case "AVRO" -> {
                serializer = new AvroKafkaSerializer<>();
                Schema schema = new Schema.Parser().parse(found.get("schema").asText());
                var json = DecoderFactory.get().jsonDecoder(schema, found.get("value").asText());
                value = new GenericDatumReader<>(schema).read(null, json);
            }
            case "PROTOBUF" -> {
                serializer = new ProtobufKafkaSerializer<>();
                value = DynamicMessage.parseFrom(descriptor(found), HexFormat.of().parseHex(found.get("value").asText()));
            }
            default -> {
                serializer = new JsonSchemaKafkaSerializer<>();
                value = MAPPER.readTree(found.get("value").asText());
            }
        }
        serializer.configure(options, false);
        String topic = found.get("topic").asText();
        boolean isPlain = "false".equals(options.get("apicurio.registry.headers.enabled"));
        // Clients of Kafka call the method with headers; without headers the serializer itself ignores them.
        return isPlain ? serializer.serialize(topic, value) : serializer.serialize(topic, headers, value);
    }

    private static Descriptor descriptor(JsonNode found) throws Exception {
        byte[] file = Base64.getDecoder().decode(found.get("descriptor").asText());
        FileDescriptor descriptor = FileDescriptor.buildFrom(FileDescriptorProto.parseFrom(file), new FileDescriptor[0]);
        String[] path = found.get("message").asText().split("\\.");
        Descriptor message = descriptor.findMessageTypeByName(path[0]);
        for (int at = 1; at < path.length; at++) {
            message = message.findNestedTypeByName(path[at]);
        }
        return message;
    }
}
