// What docs/testing.md lists for each client, with RabbitMQ's own for Java: one line a step.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class JavaClient {
  interface Step {
    void run() throws Exception;
  }

  record Delivery(Envelope envelope, AMQP.BasicProperties properties, byte[] body) {}

  static final byte[][] BODIES = {new byte[0], "small".getBytes(), allOctets()};
  static Connection connection;
  static Channel channel;
  static final Delivery[] received = new Delivery[BODIES.length];

  static byte[] allOctets() {
    byte[] bytes = new byte[256 * 1200];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
    return bytes;
  }

  public static void main(String[] args) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(System.getenv("AMQP_URL"));
    factory.setAutomaticRecoveryEnabled(false);
    connection = factory.newConnection();
    channel = connection.createChannel();
    step("declare", JavaClient::declare);
    step("publish", JavaClient::publish);
    step("consume", JavaClient::consume);
    step("ack", () -> channel.basicAck(received[received.length - 2].envelope().getDeliveryTag(), true));
    step("dead letter", JavaClient::deadLetter);
    step("rpc", JavaClient::rpc);
    step("channel error", JavaClient::channelError);
    step("transactions", JavaClient::transactions);
    step("crossing closes", JavaClient::crossingCloses);
    step("close", () -> {
      channel.close();
      connection.close();
    });
  }

  static void step(String name, Step step) {
    try {
      step.run();
      System.out.println("ok " + name);
    } catch (Throwable error) {
      error.printStackTrace();
      System.out.println("not ok " + name + ": " + error);
      System.exit(1);
    }
  }

  static void check(boolean is, String what) {
    if (!is) throw new AssertionError(what);
  }

  static BlockingQueue<Delivery> consumer(Channel on, String queue, String tag, boolean autoAck) throws Exception {
    BlockingQueue<Delivery> deliveries = new ArrayBlockingQueue<>(100);
    on.basicConsume(queue, autoAck, tag, new DefaultConsumer(on) {
      @Override
      public void handleDelivery(String consumerTag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
        deliveries.add(new Delivery(envelope, properties, body));
      }
    });
    return deliveries;
  }

  static void declare() throws Exception {
    channel.queueDeclare("java.dead", true, false, false, null);
    Map<String, Object> arguments = Map.of(
        "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "java.dead", "x-queue-type", "quorum");
    check(channel.queueDeclare("java.work", true, false, false, arguments).getMessageCount() == 0, "it is not empty");
    channel.exchangeDeclare("java.topic", "topic", true);
    channel.queueBind("java.work", "java.topic", "a.#");
  }

  static void publish() throws Exception {
    AtomicInteger returned = new AtomicInteger();
    channel.addReturnListener((code, text, exchange, key, properties, body) -> returned.incrementAndGet());
    channel.confirmSelect();
    Map<String, Object> headers = new HashMap<>(Map.of("n", 1, "text", "ü", "list", List.of(1, true)));
    headers.put("none", null);
    AMQP.BasicProperties properties = MessageProperties.PERSISTENT_BASIC.builder().headers(headers).build();
    for (byte[] body : BODIES) channel.basicPublish("java.topic", "a.b", true, properties, body);
    channel.basicPublish("java.topic", "nowhere", true, null, new byte[0]);
    channel.waitForConfirmsOrDie(10_000);
    check(returned.get() == 1, returned + " returns");
  }

  static void consume() throws Exception {
    channel.basicQos(10);
    BlockingQueue<Delivery> deliveries = consumer(channel, "java.work", "c", false);
    for (int i = 0; i < BODIES.length; i++) {
      received[i] = deliveries.poll(10, TimeUnit.SECONDS);
      check(Arrays.equals(received[i].body(), BODIES[i]), "another body");
      Map<String, Object> headers = received[i].properties().getHeaders();
      check(headers.get("text").toString().equals("ü") && headers.get("list").equals(List.of(1, true)), "other headers");
    }
  }

  static void deadLetter() throws Exception {
    channel.basicReject(received[received.length - 1].envelope().getDeliveryTag(), false);
    channel.basicCancel("c");
    GetResponse letter = null;
    for (int i = 0; i < 200 && letter == null; i++) {
      letter = channel.basicGet("java.dead", true);
      if (letter == null) Thread.sleep(20);
    }
    check(Arrays.equals(letter.getBody(), BODIES[BODIES.length - 1]), "another body");
    Map<?, ?> death = (Map<?, ?>) ((List<?>) letter.getProps().getHeaders().get("x-death")).get(0);
    check(death.get("reason").toString().equals("rejected"), "another reason");
  }

  static void rpc() throws Exception {
    Channel caller = connection.createChannel();
    BlockingQueue<Delivery> answers = consumer(caller, "amq.rabbitmq.reply-to", "", true);
    caller.queueDeclare("java.rpc", false, true, false, null);
    AMQP.BasicProperties asking = new AMQP.BasicProperties.Builder().replyTo("amq.rabbitmq.reply-to").build();
    caller.basicPublish("", "java.rpc", asking, "question".getBytes());
    GetResponse question = caller.basicGet("java.rpc", true);
    caller.basicPublish("", question.getProps().getReplyTo(), null, "answer".getBytes());
    check(new String(answers.poll(10, TimeUnit.SECONDS).body()).equals("answer"), "another answer");
    caller.close();
  }

  static void channelError() throws Exception {
    try {
      connection.createChannel().queueDeclarePassive("java.missing");
      check(false, "a missing queue was found");
    } catch (java.io.IOException error) {
      AMQP.Channel.Close reason = (AMQP.Channel.Close) ((ShutdownSignalException) error.getCause()).getReason();
      check(reason.getReplyCode() == 404, "another code");
    }
    Channel again = connection.createChannel();
    again.queueDeclarePassive("java.dead");
    again.close();
  }

  static void transactions() throws Exception {
    Channel tx = connection.createChannel();
    tx.txSelect();
    tx.basicPublish("", "java.dead", null, "rolled back".getBytes());
    tx.txRollback();
    tx.basicPublish("", "java.dead", null, "committed".getBytes());
    tx.txCommit();
    GetResponse message = tx.basicGet("java.dead", false);
    check(new String(message.getBody()).equals("committed"), "another body");
    tx.basicAck(message.getEnvelope().getDeliveryTag(), false);
    tx.txCommit();
    check(tx.queueDeclarePassive("java.dead").getMessageCount() == 0, "messages left");
    tx.close();
  }

  /** Channels that the broker closes while the client closes them. */
  static void crossingCloses() throws Exception {
    for (int i = 0; i < 50; i++) {
      Channel other = connection.createChannel();
      try {
        other.basicPublish("java.missing", "", null, new byte[0]);
        other.close();
      } catch (ShutdownSignalException | java.io.IOException error) {
        // It was closed by then.
      }
    }
    check(connection.isOpen(), "the connection was lost");
    channel.queueDeclarePassive("java.dead");
  }
}
