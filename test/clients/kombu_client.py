"""What docs/testing.md lists for each client, with kombu and py-amqp: one line a step."""
import os
import socket
import amqp
from kombu import Connection, Exchange, Producer, Queue
from steps import BODIES, step

connection = Connection(os.environ["AMQP_URL"], transport_options={"confirm_publish": True})
channel = connection.channel()
exchange = Exchange("kombu.topic", type="topic", durable=True)
dead = Queue("kombu.dead", durable=True)
arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "kombu.dead", "x-queue-type": "quorum"}
work = Queue("kombu.work", exchange, routing_key="a.#", durable=True, queue_arguments=arguments)
received = []


def octets(message):
    # An empty body is a text.
    return message.body.encode() if isinstance(message.body, str) else bytes(message.body)


def declare():
    dead(channel).declare()
    work(channel).declare()


def publish():
    producer = Producer(channel, exchange)
    for body in BODIES:
        producer.publish(
            body,
            routing_key="a.b",
            content_type="application/octet-stream",
            content_encoding="binary",
            delivery_mode=2,
            headers={"n": 1, "text": "ü", "none": None, "list": [1, True]},
        )


def consume():
    consumer = connection.Consumer([work], channel=channel, on_message=received.append, prefetch_count=10)
    with consumer:
        while len(received) < len(BODIES):
            connection.drain_events(timeout=10)
    for message, body in zip(received, BODIES):
        assert octets(message) == body, "another body"
        assert message.headers["text"] == "ü" and message.headers["list"] == [1, True]


def ack():
    received[-2].ack(multiple=True)


def dead_letter():
    received[-1].reject()
    for _ in range(200):
        message = dead(channel).get(no_ack=True)
        if message:
            break
        try:
            connection.drain_events(timeout=0.02)
        except socket.timeout:
            pass
    assert octets(message) == BODIES[-1] and message.headers["x-death"][0]["reason"] == "rejected"


def rpc():
    answers = []
    replies = Queue("amq.rabbitmq.reply-to", no_declare=True)
    consumer = connection.Consumer([replies], channel=channel, on_message=answers.append, no_ack=True)
    rpc_queue = Queue("kombu.rpc", exclusive=True)(channel)
    rpc_queue.declare()
    with consumer:
        Producer(channel).publish("question", routing_key="kombu.rpc", reply_to="amq.rabbitmq.reply-to")
        question = rpc_queue.get(no_ack=True)
        Producer(channel).publish("answer", routing_key=question.properties["reply_to"])
        while not answers:
            connection.drain_events(timeout=10)
    assert answers[0].payload == "answer"


def channel_error():
    other = connection.channel()
    try:
        other.queue_declare("kombu.missing", passive=True)
        raise AssertionError("a missing queue was found")
    except amqp.exceptions.NotFound as error:
        assert error.reply_code == 404
    again = connection.channel()
    again.queue_declare("kombu.dead", passive=True)
    again.close()


def transactions():
    # A connection of its own: py-amqp has the channels of a confirming one confirm.
    with Connection(os.environ["AMQP_URL"]) as plain:
        tx = plain.channel()
        tx.tx_select()
        tx.basic_publish(amqp.Message("rolled back"), routing_key="kombu.dead")
        tx.tx_rollback()
        tx.basic_publish(amqp.Message("committed"), routing_key="kombu.dead")
        tx.tx_commit()
        message = tx.basic_get("kombu.dead")
        assert message.body == "committed", message.body
        tx.basic_ack(message.delivery_tag)
        tx.tx_commit()
        assert tx.queue_declare("kombu.dead", passive=True).message_count == 0
        tx.close()


def close():
    channel.close()
    connection.close()


for run in (declare, publish, consume, ack, dead_letter, rpc, channel_error, transactions, close):
    step(run)
