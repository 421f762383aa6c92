package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/streams"
)

// lifetimes are how long a queue that a command declares lasts, and its messages.
type lifetimes struct{ messageTTL, expires time.Duration }

func (l *lifetimes) add(flags *pflag.FlagSet) {
	flags.DurationVar(&l.messageTTL, "message-ttl", 0, "drop messages that have waited in the queue\nfor so long; 0s: that nobody waits for\n(default: keep them)")
	flags.DurationVar(&l.expires, "expires", 0, "delete the queue when nobody has used it for\nso long (default: keep it)")
}

// of is the queue with the lifetimes that were given.
func (l *lifetimes) of(cmd *cobra.Command, q streams.Queue) streams.Queue {
	if cmd.Flags().Changed("message-ttl") {
		q.MessageTTL = &l.messageTTL
	}
	q.Expires = l.expires
	return q
}
