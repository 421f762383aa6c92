package embedded

import (
	"crypto/tls"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience is for steps of connecting that take microseconds, unless the machine
// has something better to do; two seconds, as is usual, are sometimes too few.
const patience = 10 * time.Second

// options says a filled in and valid Config in the server's own words.
func (c Config) options(dir string) (*server.Options, error) {
	o := &server.Options{
		ServerName: c.Name,

		DontListen: !c.listens(),
		Host:       c.Host,
		Port:       c.Port,
		TLSConfig:  cloneTLS(c.TLS),
		TLSTimeout: patience.Seconds(),

		Username:      c.User,
		Password:      c.Password,
		Authorization: c.Token,

		MaxPayload: int32(c.MaxPayload + headerRoom),
		// What waits for a slow client must at least hold a few messages.
		MaxPending: max(server.MAX_PENDING_SIZE, int64(4*(c.MaxPayload+headerRoom))),

		// Two kilobytes each, for a monitoring port that there is not.
		MaxClosedClients: 1,

		JetStream:          true,
		StoreDir:           dir,
		JetStreamMaxMemory: c.MaxMemory + reserve,
		JetStreamMaxStore:  c.MaxStore + reserve,
		SyncInterval:       c.SyncInterval,
		SyncAlways:         c.SyncAlways,

		// Signals belong to the process, not to a server inside it.
		NoSigs:                 true,
		DisableJetStreamBanner: true,
	}
	if len(c.Users) > 0 {
		o.Users = c.users() // which the server asks alone, if there are any
	}
	if !c.Cluster.enabled() {
		return o, nil
	}
	return o, c.addCluster(o)
}

// addCluster adds the options of a server of a cluster.
func (c Config) addCluster(o *server.Options) (err error) {
	if o.Routes, err = c.routes(); err != nil {
		return err
	}
	o.Cluster = server.ClusterOpts{
		Name:       c.Cluster.Name,
		Host:       c.Cluster.Host,
		Port:       c.Cluster.Port,
		TLSConfig:  cloneTLS(c.Cluster.TLS),
		TLSTimeout: patience.Seconds(),

		WriteDeadline: c.Cluster.Patience,
	}
	o.Cluster.Username, o.Cluster.Password = c.routeCredentials()
	return nil
}

func (c Config) users() []*server.User {
	list := []*server.User{{Username: c.User, Password: c.Password}}
	for name, password := range c.Users {
		list = append(list, &server.User{Username: name, Password: password})
	}
	return list
}

func cloneTLS(t *tls.Config) *tls.Config {
	if t == nil {
		return nil
	}
	return t.Clone()
}
