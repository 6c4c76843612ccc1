# What docs/testing.md lists for each client, with AnyEvent::RabbitMQ: one line a step.
use strict;
use warnings;
use utf8;
use AnyEvent;
use AnyEvent::RabbitMQ;

my ($user, $password, $host, $port) = $ENV{AMQP_URL} =~ m{^amqp://([^:]+):([^@]+)@([^:]+):(\d+)} or die;
s/%([0-9A-Fa-f]{2})/chr hex $1/ge for $user, $password;
my @bodies = ('', 'small', join('', map { chr } 0 .. 255) x 1200);
my $client = AnyEvent::RabbitMQ->new->load_xml_spec();
my ($channel, @received);
$| = 1;

# Calls a method with callbacks, and waits for one of them.
sub await {
    my ($on, $method, %arguments) = @_;
    my $done = AnyEvent->condvar;
    my $timer = AnyEvent->timer(after => 20, cb => sub { $done->croak("$method: no answer\n") });
    $on->$method(
        on_success => sub { $done->send(@_) },
        on_failure => sub { $done->croak(ref $_[0] ? "$method: " . reason($_[0]) . "\n" : "$method: $_[0]\n") },
        on_close   => sub { $done->croak("$method: closed, " . reason($_[0]) . "\n") },
        %arguments,
    );
    return $done->recv;
}

sub reason {
    my ($what) = map { $_ // '' } @_;
    return ref $what && $what->can('method_frame') ? $what->method_frame->reply_text : "$what";
}

sub step {
    my ($name, $run) = @_;
    if (eval { $run->(); 1 }) { print "ok $name\n" }
    else { chomp(my $error = $@); print "not ok $name: $error\n"; exit 1 }
}

sub channel { return await($client, 'open_channel') }

step 'declare' => sub {
    await($client, 'connect', host => $host, port => $port, user => $user, pass => $password, vhost => '/', timeout => 10);
    $channel = channel();
    await($channel, 'declare_queue', queue => 'perl.dead', durable => 1);
    my %arguments = (
        'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => 'perl.dead', 'x-queue-type' => 'quorum',
    );
    await($channel, 'declare_queue', queue => 'perl.work', durable => 1, arguments => \%arguments);
    await($channel, 'declare_exchange', exchange => 'perl.topic', type => 'topic', durable => 1);
    await($channel, 'bind_queue', queue => 'perl.work', exchange => 'perl.topic', routing_key => 'a.#');
};

step 'publish' => sub {
    await($channel, 'confirm');
    my $all = AnyEvent->condvar;
    for my $body (@bodies) {
        $all->begin;
        $channel->publish(
            exchange => 'perl.topic', routing_key => 'a.b', body => $body, mandatory => 1,
            header => { delivery_mode => 2, headers => { n => 1, text => 'plain' } },
            on_ack => sub { $all->end }, on_nack => sub { $all->croak("refused\n") },
            on_return => sub { $all->croak("returned\n") },
        );
    }
    $all->recv;
    my $returned = AnyEvent->condvar;
    $channel->publish(
        exchange => 'perl.topic', routing_key => 'nowhere', body => 'lost', mandatory => 1,
        on_ack => sub { }, on_return => sub { $returned->send },
    );
    $returned->recv;
};

step 'consume' => sub {
    await($channel, 'qos', prefetch_count => 10);
    my $all = AnyEvent->condvar;
    my $timer = AnyEvent->timer(after => 10, cb => sub { $all->croak("nothing came\n") });
    await($channel, 'consume',
        queue => 'perl.work', no_ack => 0, consumer_tag => 'c', on_consume => sub {
            push @received, $_[0];
            $all->send if @received == @bodies;
        });
    $all->recv;
    for my $i (0 .. $#bodies) {
        # It gives an empty body as none.
        my $body = $received[$i]{body};
        die "another body\n" if ($body ? $body->payload : '') ne $bodies[$i];
        die "other headers\n" if $received[$i]{header}->headers->{text} ne 'plain';
    }
};

sub tag { return $_[0]{deliver}->method_frame->delivery_tag }

step 'ack' => sub { $channel->ack(delivery_tag => tag($received[-2]), multiple => 1) };

step 'dead letter' => sub {
    $channel->reject(delivery_tag => tag($received[-1]), requeue => 0);
    await($channel, 'cancel', consumer_tag => 'c');
    my $letter;
    for (1 .. 200) {
        $letter = await($channel, 'get', queue => 'perl.dead');
        last if $letter->{ok};
        my $pause = AnyEvent->condvar;
        my $timer = AnyEvent->timer(after => 0.02, cb => $pause);
        $pause->recv;
    }
    die "another body\n" if $letter->{body}->payload ne $bodies[-1];
    die "another reason\n" if $letter->{header}->headers->{'x-death'}[0]{reason} ne 'rejected';
    $channel->ack(delivery_tag => $letter->{ok}->method_frame->delivery_tag);
};

step 'rpc' => sub {
    my $caller = channel();
    my $answer = AnyEvent->condvar;
    my $timer = AnyEvent->timer(after => 10, cb => sub { $answer->croak("no answer\n") });
    await($caller, 'consume', queue => 'amq.rabbitmq.reply-to', no_ack => 1, on_consume => sub { $answer->send($_[0]) });
    await($caller, 'declare_queue', queue => 'perl.rpc', exclusive => 1);
    $caller->publish(routing_key => 'perl.rpc', body => 'question', header => { reply_to => 'amq.rabbitmq.reply-to' });
    my $question = await($caller, 'get', queue => 'perl.rpc', no_ack => 1);
    $caller->publish(routing_key => $question->{header}->reply_to, body => 'answer');
    die "another answer\n" if $answer->recv->{body}->payload ne 'answer';
    await($caller, 'close');
};

step 'channel error' => sub {
    my $reason = '';
    my $other = await($client, 'open_channel', on_close => sub { $reason = reason($_[0]) });
    eval { await($other, 'declare_queue', queue => 'perl.missing', passive => 1); 1 } and die "a missing queue was found\n";
    die "another reason: $reason\n" if $reason !~ /NOT_FOUND/;
    my $again = channel();
    await($again, 'declare_queue', queue => 'perl.dead', durable => 1, passive => 1);
    await($again, 'close');
};

step 'transactions' => sub {
    my $tx = channel();
    await($tx, 'select_tx');
    $tx->publish(routing_key => 'perl.dead', body => 'rolled back');
    await($tx, 'rollback_tx');
    $tx->publish(routing_key => 'perl.dead', body => 'committed');
    await($tx, 'commit_tx');
    my $message = await($tx, 'get', queue => 'perl.dead', no_ack => 0);
    die "another body\n" if $message->{body}->payload ne 'committed';
    $tx->ack(delivery_tag => $message->{ok}->method_frame->delivery_tag);
    await($tx, 'commit_tx');
    my $queue = await($tx, 'declare_queue', queue => 'perl.dead', durable => 1, passive => 1);
    die "messages left\n" if $queue->method_frame->message_count != 0;
    await($tx, 'close');
};

step 'close' => sub { await($client, 'close') };
