package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/cmd/warren/internal/compare"
)

// withoutBroker takes the shared flags from bench and compare, which start brokers of
// their own, but those that say how to connect to the NATS that --nats names.
func withoutBroker(cmd *cobra.Command) {
	without(cmd, otherFlags(append(identityFlags(), "context", "replicas")...)...)
}

// identityFlags are the names of the flags that say who connects, and how.
func identityFlags() (names []string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(connection).addConnection(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains([]string{"server", "context"}, flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// otherBrokers are those of others that bench and compare measure: RabbitMQs, and the
// NATS that --nats or --context names. The environment names none.
func otherBrokers(cmd *cobra.Command, b *broker, rabbitmq []string, address string) (amqp []string, server compare.NATS, err error) {
	for _, text := range rabbitmq {
		url, err := rabbitAddress(text)
		if err != nil {
			return nil, server, usageError{err}
		}
		amqp = append(amqp, url)
	}
	c := b.connection
	c.server, c.serverFlag = address, "--nats"
	if address == "" && c.context == "" {
		for _, name := range identityFlags() {
			if cmd.Flags().Changed(name) {
				return nil, server, usageError{fmt.Errorf("--%s goes with --nats ADDRESS or --context NAME, which say where the NATS is", name)}
			}
		}
		return amqp, server, nil
	}
	at, err := c.find(false)
	if err != nil {
		return nil, server, err
	}
	warnIfOpen(cmd.ErrOrStderr(), c.passwordFile)
	login, err := json.Marshal(at.settings)
	return amqp, compare.NATS{URL: at.dial(), Login: login, Options: loginOptions}, err
}

// loginOptions are a login of [otherBrokers] in the NATS client's words, in another
// process, too.
func loginOptions(login json.RawMessage) ([]nats.Option, error) {
	var s natsContext
	if err := json.Unmarshal(login, &s); err != nil {
		return nil, err
	}
	return s.options()
}
