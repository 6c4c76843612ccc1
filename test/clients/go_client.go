// What docs/testing.md lists for each client, with amqp091-go: one line a step.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var (
	connection *amqp.Connection
	channel    *amqp.Channel
	received   []amqp.Delivery
	bodies     = [][]byte{{}, []byte("small"), allOctets()}
	ctx        = context.Background()
)

func allOctets() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return bytes.Repeat(all, 1200)
}

func main() {
	var err error
	connection, err = amqp.Dial(os.Getenv("AMQP_URL"))
	must(err)
	channel, err = connection.Channel()
	must(err)
	step("declare", declare)
	step("publish", publish)
	step("consume", consume)
	step("ack", func() { must(received[len(received)-2].Ack(true)) })
	step("dead letter", deadLetter)
	step("rpc", rpc)
	step("channel error", channelError)
	step("transactions", transactions)
	step("crossing closes", crossingCloses)
	step("close", func() {
		must(channel.Close())
		must(connection.Close())
	})
}

func step(name string, run func()) {
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Printf("not ok %s: %v\n", name, problem)
			os.Exit(1)
		}
	}()
	run()
	fmt.Println("ok", name)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(is bool, what string) {
	if !is {
		panic(what)
	}
}

func declare() {
	_, err := channel.QueueDeclare("go.dead", true, false, false, false, nil)
	must(err)
	queue, err := channel.QueueDeclare("go.work", true, false, false, false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "go.dead", "x-queue-type": "quorum",
	})
	must(err)
	check(queue.Messages == 0, "it is not empty")
	must(channel.ExchangeDeclare("go.topic", "topic", true, false, false, false, nil))
	must(channel.QueueBind("go.work", "a.#", "go.topic", false, nil))
}

func publish() {
	must(channel.Confirm(false))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	headers := amqp.Table{"n": int32(1), "text": "ü", "none": nil, "list": []interface{}{int32(1), true}}
	for _, body := range bodies {
		confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "go.topic", "a.b", true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Headers: headers, Body: body})
		must(err)
		check(confirm.Wait(), "not confirmed")
	}
	must(channel.PublishWithContext(ctx, "go.topic", "nowhere", true, false, amqp.Publishing{}))
	check((<-returns).ReplyCode == amqp.NoRoute, "not returned")
}

func consume() {
	must(channel.Qos(10, 0, false))
	deliveries, err := channel.Consume("go.work", "c", false, false, false, false, nil)
	must(err)
	for _, body := range bodies {
		delivery := <-deliveries
		check(bytes.Equal(delivery.Body, body), "another body")
		list := delivery.Headers["list"].([]interface{})
		check(delivery.Headers["text"] == "ü" && list[1] == true, "other headers")
		received = append(received, delivery)
	}
}

func deadLetter() {
	must(received[len(received)-1].Reject(false))
	must(channel.Cancel("c", false))
	var letter amqp.Delivery
	for i, found := 0, false; !found && i < 200; i++ {
		var err error
		letter, found, err = channel.Get("go.dead", true)
		must(err)
		if !found {
			time.Sleep(20 * time.Millisecond)
		}
	}
	check(bytes.Equal(letter.Body, bodies[len(bodies)-1]), "another body")
	death := letter.Headers["x-death"].([]interface{})[0].(amqp.Table)
	check(death["reason"] == "rejected", "another reason")
}

func rpc() {
	caller, err := connection.Channel()
	must(err)
	answers, err := caller.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	must(err)
	_, err = caller.QueueDeclare("go.rpc", false, false, true, false, nil)
	must(err)
	must(caller.PublishWithContext(ctx, "", "go.rpc", false, false,
		amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte("question")}))
	question, found, err := caller.Get("go.rpc", true)
	must(err)
	check(found, "no question")
	must(caller.PublishWithContext(ctx, "", question.ReplyTo, false, false, amqp.Publishing{Body: []byte("answer")}))
	check(string((<-answers).Body) == "answer", "another answer")
	must(caller.Close())
}

func channelError() {
	other, err := connection.Channel()
	must(err)
	_, err = other.QueueDeclarePassive("go.missing", true, false, false, false, nil)
	check(err != nil && err.(*amqp.Error).Code == amqp.NotFound, fmt.Sprint("not 404: ", err))
	again, err := connection.Channel()
	must(err)
	_, err = again.QueueDeclarePassive("go.dead", true, false, false, false, nil)
	must(err)
	must(again.Close())
}

func transactions() {
	tx, err := connection.Channel()
	must(err)
	must(tx.Tx())
	must(tx.PublishWithContext(ctx, "", "go.dead", false, false, amqp.Publishing{Body: []byte("rolled back")}))
	must(tx.TxRollback())
	must(tx.PublishWithContext(ctx, "", "go.dead", false, false, amqp.Publishing{Body: []byte("committed")}))
	must(tx.TxCommit())
	message, found, err := tx.Get("go.dead", false)
	must(err)
	check(found && string(message.Body) == "committed", "another body")
	must(message.Ack(false))
	must(tx.TxCommit())
	queue, err := tx.QueueDeclarePassive("go.dead", true, false, false, false, nil)
	must(err)
	check(queue.Messages == 0, "messages left")
	must(tx.Close())
}

// Channels that the broker closes while the client closes them, and connections that many goroutines close at once.
func crossingCloses() {
	// All are opened first: the client itself mistakes the answer to a close for one to the next open of that number.
	var others [50]*amqp.Channel
	for i := range others {
		var err error
		others[i], err = connection.Channel()
		must(err)
	}
	for _, other := range others {
		// It is refused; Close is on its way before the answer comes, or not.
		must(other.PublishWithContext(ctx, "go.missing", "", false, false, amqp.Publishing{}))
		if err := other.Close(); err != nil {
			check(err.(*amqp.Error).Code == amqp.NotFound || err == amqp.ErrClosed, err.Error())
		}
	}
	_, err := channel.QueueDeclarePassive("go.dead", true, false, false, false, nil)
	must(err)
	for i := 0; i < 20; i++ {
		other, err := amqp.Dial(os.Getenv("AMQP_URL"))
		must(err)
		busy, err := other.Channel()
		must(err)
		errors := other.NotifyClose(make(chan *amqp.Error, 1))
		var group sync.WaitGroup
		for j := 0; j < 8; j++ {
			group.Add(2)
			go func() {
				defer group.Done()
				for k := 0; k < 20; k++ {
					if busy.PublishWithContext(ctx, "", "nowhere", false, false, amqp.Publishing{Body: bodies[1]}) != nil {
						return
					}
				}
			}()
			go func() {
				defer group.Done()
				// All but the first may find the client's own socket closed.
				if err := other.Close(); err != nil {
					_, isLocal := err.(*net.OpError)
					check(isLocal || err == amqp.ErrClosed, err.Error())
				}
			}()
		}
		group.Wait()
		if err, isThere := <-errors; isThere {
			panic(err)
		}
	}
}
