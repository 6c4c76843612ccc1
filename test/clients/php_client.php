<?php
// What docs/testing.md lists for each client, with php-amqplib: one line a step.
require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

$all = implode('', array_map('chr', range(0, 255)));
$bodies = ['', 'small', str_repeat($all, 1200)];
$url = parse_url(getenv('AMQP_URL'));
$connection = new AMQPStreamConnection($url['host'], $url['port'], urldecode($url['user']), urldecode($url['pass']));
$channel = $connection->channel();
$received = [];

function check(bool $is, string $what): void
{
    if (!$is) throw new Exception($what);
}

function step(string $name, callable $run): void
{
    try {
        $run();
        echo "ok $name\n";
    } catch (Throwable $error) {
        echo "not ok $name: ", get_class($error), ' ', $error->getMessage(), "\n";
        exit(1);
    }
}

step('declare', function () use ($channel) {
    $channel->queue_declare('php.dead', false, true, false, false);
    $arguments = new AMQPTable([
        'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => 'php.dead', 'x-queue-type' => 'quorum',
    ]);
    [, $count] = $channel->queue_declare('php.work', false, true, false, false, false, $arguments);
    check($count === 0, 'it is not empty');
    $channel->exchange_declare('php.topic', 'topic', false, true, false);
    $channel->queue_bind('php.work', 'php.topic', 'a.#');
});

step('publish', function () use ($channel, $bodies) {
    $acked = 0;
    $returned = 0;
    $channel->confirm_select();
    $channel->set_ack_handler(function () use (&$acked) { $acked++; });
    $channel->set_return_listener(function () use (&$returned) { $returned++; });
    $headers = new AMQPTable(['n' => 1, 'text' => 'ü', 'none' => null, 'list' => [1, true]]);
    foreach ($bodies as $body) {
        $message = new AMQPMessage($body, ['delivery_mode' => 2, 'application_headers' => $headers]);
        $channel->basic_publish($message, 'php.topic', 'a.b', true);
    }
    $channel->basic_publish(new AMQPMessage('lost'), 'php.topic', 'nowhere', true);
    $channel->wait_for_pending_acks_returns(10);
    check($acked === count($bodies) + 1, "$acked confirms");
    check($returned === 1, "$returned returns");
});

step('consume', function () use ($channel, $bodies, &$received) {
    $channel->basic_qos(0, 10, false);
    $channel->basic_consume('php.work', 'c', false, false, false, false, function ($message) use (&$received) {
        $received[] = $message;
    });
    while (count($received) < count($bodies)) $channel->wait(null, false, 10);
    foreach ($bodies as $index => $body) {
        check($received[$index]->getBody() === $body, "another body $index");
        $headers = $received[$index]->get('application_headers')->getNativeData();
        check($headers['text'] === 'ü' && $headers['list'] === [1, true], 'other headers');
    }
});

step('ack', function () use (&$received) {
    $received[count($received) - 2]->ack(true);
});

step('dead letter', function () use ($channel, $bodies, &$received) {
    end($received)->reject(false);
    $channel->basic_cancel('c');
    for ($i = 0; $i < 200 && !($message = $channel->basic_get('php.dead', true)); $i++) usleep(20_000);
    check($message->getBody() === end($bodies), 'another body');
    $deaths = $message->get('application_headers')->getNativeData()['x-death'];
    check($deaths[0]['reason'] === 'rejected', 'another reason');
});

step('rpc', function () use ($connection) {
    $answer = null;
    $caller = $connection->channel();
    $caller->basic_consume('amq.rabbitmq.reply-to', '', false, true, false, false, function ($message) use (&$answer) {
        $answer = $message->getBody();
    });
    $caller->queue_declare('php.rpc', false, false, true);
    $caller->basic_publish(new AMQPMessage('question', ['reply_to' => 'amq.rabbitmq.reply-to']), '', 'php.rpc');
    $question = $caller->basic_get('php.rpc', true);
    $caller->basic_publish(new AMQPMessage('answer'), '', $question->get('reply_to'));
    while ($answer === null) $caller->wait(null, false, 10);
    check($answer === 'answer', 'another answer');
    $caller->close();
});

step('channel error', function () use ($connection) {
    try {
        $connection->channel()->queue_declare('php.missing', true);
        check(false, 'a missing queue was found');
    } catch (AMQPProtocolChannelException $error) {
        check($error->getCode() === 404, 'another code');
    }
    $again = $connection->channel();
    $again->queue_declare('php.dead', true);
    $again->close();
});

step('transactions', function () use ($connection) {
    $tx = $connection->channel();
    $tx->tx_select();
    $tx->basic_publish(new AMQPMessage('rolled back'), '', 'php.dead');
    $tx->tx_rollback();
    $tx->basic_publish(new AMQPMessage('committed'), '', 'php.dead');
    $tx->tx_commit();
    $message = $tx->basic_get('php.dead');
    check($message->getBody() === 'committed', 'another body');
    $message->ack();
    $tx->tx_commit();
    [, $count] = $tx->queue_declare('php.dead', true);
    check($count === 0, "$count messages left");
    $tx->close();
});

step('close', function () use ($channel, $connection) {
    $channel->close();
    $connection->close();
    check(!$connection->isConnected(), 'it is still connected');
});
