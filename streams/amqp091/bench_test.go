package amqp091_test

import (
	"os"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams/amqp091"
)

// The benchmarks run one Go client against Warren and, where there is one, a RabbitMQ
// ($WARREN_AMQP_URL), in turn, with bodies of 256 bytes.
func benchOnBoth(b *testing.B, f func(b *testing.B, url string)) {
	b.Helper()
	b.Run("warren", func(b *testing.B) {
		f(b, listen(b, amqp091.Config{}))
	})
	if url := os.Getenv("WARREN_AMQP_URL"); url != "" {
		b.Run("rabbitmq", func(b *testing.B) { f(b, url) })
	}
}

const (
	benchBody     = 256
	benchPrefetch = 200
)

// fill publishes transient messages until all are routed.
func fill(b *testing.B, ch *amqp.Channel, queue string, n int) {
	b.Helper()
	body := make([]byte, benchBody)
	for range n {
		if err := ch.PublishWithContext(b.Context(), "", queue, false, false, amqp.Publishing{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPublish(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, url string) {
		b.Helper()
		ch := openChannel(b, dial(b, url))
		queue := declare(b, ch)
		b.ReportAllocs()
		b.ResetTimer()
		fill(b, ch, queue, b.N)
		reportRate(b)
	})
}

func BenchmarkConsume(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, url string) {
		b.Helper()
		conn := dial(b, url)
		ch := openChannel(b, conn)
		queue := declare(b, ch)
		fill(b, ch, queue, b.N)
		if err := ch.Qos(benchPrefetch, 0, false); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		deliveries := consume(b, ch, queue)
		for range b.N {
			d := <-deliveries
			if err := d.Ack(false); err != nil {
				b.Fatal(err)
			}
		}
		// All are acknowledged when a method behind them is answered.
		if _, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil); err != nil {
			b.Fatal(err)
		}
		reportRate(b)
	})
}

// One message at a time, each acknowledged before the next.
func BenchmarkGet(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, url string) {
		b.Helper()
		ch := openChannel(b, dial(b, url))
		queue := declare(b, ch)
		fill(b, ch, queue, b.N)
		b.ResetTimer()
		for range b.N {
			d, ok, err := ch.Get(queue, false)
			if err != nil || !ok {
				b.Fatal(ok, err)
			}
			if err := d.Ack(false); err != nil {
				b.Fatal(err)
			}
		}
		reportRate(b)
	})
}

// One message at a time, each confirmed before the next.
func BenchmarkConfirm(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, url string) {
		b.Helper()
		ch := openChannel(b, dial(b, url))
		queue := declareDurable(b, ch)
		if err := ch.Confirm(false); err != nil {
			b.Fatal(err)
		}
		body := make([]byte, benchBody)
		b.ResetTimer()
		for range b.N {
			confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
			if err != nil {
				b.Fatal(err)
			}
			if !confirm.Wait() {
				b.Fatal("a message was refused")
			}
		}
		reportRate(b)
	})
}

func BenchmarkConnect(b *testing.B) {
	benchOnBoth(b, func(b *testing.B, url string) {
		b.Helper()
		for range b.N {
			conn, err := amqp.Dial(url)
			if err != nil {
				b.Fatal(err)
			}
			declare(b, openChannel(b, conn))
			if err := conn.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What connections that do nothing add to the resident memory of the server's process,
// which is another one than their clients', once as long has passed as sessions take to
// renew what they have with the broker. Use -benchtime 1000x.
func BenchmarkIdleConnections(b *testing.B) {
	for name, open := range map[string]func(tb testing.TB, url string) *raw{"bare": openBare, "channel": open} {
		b.Run(name, func(b *testing.B) {
			server := listenInProcess(b)
			open(b, server.url)
			before := server.resident(b)
			for range b.N {
				open(b, server.url)
			}
			if b.N > 1 {
				time.Sleep(20 * time.Second)
			}
			b.ReportMetric(float64(server.resident(b)-before)/float64(b.N), "B/connection")
		})
	}
}

// declareDurable declares a durable queue, which is deleted with the benchmark.
func declareDurable(b *testing.B, ch *amqp.Channel) string {
	b.Helper()
	q, err := ch.QueueDeclare(unique(b, "q"), true, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = ch.QueueDelete(q.Name, false, false, false) })
	return q.Name
}

func reportRate(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}
