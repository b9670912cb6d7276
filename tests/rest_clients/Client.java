import org.sourcelab.kafka.connect.apiclient.Configuration;
import org.sourcelab.kafka.connect.apiclient.KafkaConnectClient;
import org.sourcelab.kafka.connect.apiclient.request.dto.NewConnectorDefinition;

/** Drives a worker with the Java client of Kafka Connect's REST API. */
public class Client {
    public static void main(String[] arguments) {
        KafkaConnectClient client = new KafkaConnectClient(new Configuration(arguments[0]));
        System.out.println(client.getConnectServerVersion());
        System.out.println(client.addConnector(NewConnectorDefinition.newBuilder()
            .withName("java").withConfig("connector.class", "FileStreamSink").withConfig("topics", "t")
            .withConfig("file", arguments[1]).withConfig("errors.log.enable", "true").build()));
        System.out.println(client.getConnectors());
        System.out.println(client.getConnectorsWithAllExpandedMetadata());
        System.out.println(client.getConnectorStatus("java"));
        System.out.println(client.getConnectorTasks("java"));
        System.out.println(client.pauseConnector("java"));
        System.out.println(client.resumeConnector("java"));
        System.out.println(client.restartConnector("java"));
        System.out.println(client.getConnectorPlugins());
        System.out.println(client.deleteConnector("java"));
        System.out.println("done");
        System.exit(0);
    }
}
