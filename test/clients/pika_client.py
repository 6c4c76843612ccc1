"""What docs/testing.md lists for each client, with pika: one line a step."""
import os
import pika
from steps import BODIES, step

connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "pika.dead"}
received = []


def declare():
    channel.queue_declare("pika.dead", durable=True)
    arguments = {**DEAD, "x-queue-type": "quorum"}
    assert channel.queue_declare("pika.work", durable=True, arguments=arguments).method.message_count == 0
    channel.exchange_declare("pika.topic", exchange_type="topic", durable=True)
    channel.queue_bind("pika.work", "pika.topic", "a.#")


def publish():
    channel.confirm_delivery()
    for body in BODIES:
        properties = pika.BasicProperties(delivery_mode=2, headers={"n": 1, "text": "ü", "none": None, "list": [1, True]})
        channel.basic_publish("pika.topic", "a.b", body, properties, mandatory=True)
    try:
        channel.basic_publish("pika.topic", "nowhere", b"", mandatory=True)
        raise AssertionError("an unroutable message was not returned")
    except pika.exceptions.UnroutableError:
        pass


def consume():
    channel.basic_qos(prefetch_count=10)
    for method, properties, body in channel.consume("pika.work", inactivity_timeout=10):
        assert method is not None, "nothing came"
        assert body == BODIES[len(received)], "another body"
        assert properties.headers["text"] == "ü" and properties.headers["list"] == [1, True]
        received.append(method.delivery_tag)
        if len(received) == len(BODIES):
            break


def ack():
    channel.basic_ack(received[-2], multiple=True)


def dead_letter():
    channel.basic_reject(received[-1], requeue=False)
    channel.cancel()
    for _ in range(200):
        method, properties, body = channel.basic_get("pika.dead", auto_ack=True)
        if method:
            break
        connection.sleep(0.02)
    assert body == BODIES[-1] and properties.headers["x-death"][0]["reason"] == "rejected"
    assert channel.queue_declare("pika.work", passive=True).method.message_count == 0


def rpc():
    answers = []
    caller = connection.channel()
    caller.basic_consume("amq.rabbitmq.reply-to", lambda *args: answers.append(args[3]), auto_ack=True)
    caller.queue_declare("pika.rpc", exclusive=True)
    caller.basic_publish("", "pika.rpc", b"question", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    method, properties, body = caller.basic_get("pika.rpc", auto_ack=True)
    channel.basic_publish("", properties.reply_to, body + b" answered", mandatory=True)
    connection.process_data_events(time_limit=5)
    assert answers == [b"question answered"], answers
    caller.close()


def channel_error():
    other = connection.channel()
    try:
        other.queue_declare("pika.missing", passive=True)
        raise AssertionError("a missing queue was found")
    except pika.exceptions.ChannelClosedByBroker as error:
        assert error.reply_code == 404
    again = connection.channel()
    again.queue_declare("pika.dead", passive=True)
    again.close()


def transactions():
    tx = connection.channel()
    tx.tx_select()
    tx.basic_publish("", "pika.dead", b"rolled back")
    tx.tx_rollback()
    tx.basic_publish("", "pika.dead", b"committed")
    assert channel.queue_declare("pika.dead", passive=True).method.message_count == 0
    tx.tx_commit()
    method, _, body = tx.basic_get("pika.dead")
    assert body == b"committed"
    tx.basic_ack(method.delivery_tag)
    tx.tx_commit()
    tx.close()
    assert channel.queue_declare("pika.dead", passive=True).method.message_count == 0


def close():
    channel.close()
    connection.close()
    assert connection.is_closed


for run in (declare, publish, consume, ack, dead_letter, rpc, channel_error, transactions, close):
    step(run)
