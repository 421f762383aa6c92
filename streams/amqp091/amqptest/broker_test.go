package amqptest_test

import (
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"warren/streams/amqp091/amqptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store publishes a persistent message to a durable queue and waits for its confirm.
func store(t *testing.T, conn *amqp.Connection, body string) {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("kept", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirm("", "kept", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if !confirm.Wait() {
		t.Fatal("the message was not confirmed")
	}
}

func dial(t *testing.T, b *amqptest.Broker) (*amqp.Connection, chan *amqp.Error) {
	t.Helper()
	conn, err := amqp.Dial(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.NotifyClose(make(chan *amqp.Error, 1))
}

func TestBroker_KeepsWhatIsDurable(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*amqptest.Broker){"stopped": (*amqptest.Broker).Stop, "killed": (*amqptest.Broker).Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := amqptest.Start(t)
			conn, closed := dial(t, broker)
			store(t, conn, "one")
			end(broker)
			told := <-closed
			if is := told != nil && told.Code == 320; is != (name == "stopped") {
				t.Errorf("the client was told %v", told)
			}
			if _, err := amqp.Dial(broker.URL()); err == nil {
				t.Error("a client connected to a broker that has ended")
			}
			broker.Restart()
			conn, _ = dial(t, broker)
			ch, err := conn.Channel()
			if err != nil {
				t.Fatal(err)
			}
			if d, ok, err := ch.Get("kept", true); err != nil || !ok || string(d.Body) != "one" {
				t.Errorf("got %q, %v, %v after the restart", d.Body, ok, err)
			}
		})
	}
}

func TestBroker_LosesWhatIsNotDurable(t *testing.T) {
	t.Parallel()
	broker := amqptest.Start(t)
	conn, _ := dial(t, broker)
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("gone", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	broker.Restart()
	conn, _ = dial(t, broker)
	if ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	var e *amqp.Error
	if _, err := ch.QueueDeclarePassive("gone", false, false, false, false, nil); !errors.As(err, &e) || e.Code != 404 {
		t.Errorf("got %v, want 404", err)
	}
}

func BenchmarkStart(b *testing.B) {
	for range b.N {
		broker := amqptest.Start(b)
		conn, err := amqp.Dial(broker.URL())
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
		broker.Stop()
	}
}
