package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A session is there for as long as the live stream says so: it keeps a record
// there, which it renews. That nobody answers for a session says nothing by itself.
// The server that it is connected to may have been stopped, or cut off from the
// others, and will go on.

// sessionLease is how long a session is there after it was heard of last.
const sessionLease = 30 * time.Second

// renewals is how often a session renews its record within its lease. One renewal
// that takes longer than the time between two says that servers were away from each
// other for long enough to lose what they had for each other.
const renewals = 6

// presence is what the live stream keeps of a session.
type presence struct {
	// Where it is connected to: that server knows at once when a process has ended.
	Server     string `json:"server,omitempty"`
	ServerID   string `json:"server_id,omitempty"`
	Connection uint64 `json:"connection,omitempty"`
	// Missed says that it could not be told of a change, and Renewed when the
	// record had been renewed before that was noted.
	Missed  bool      `json:"missed,omitempty"`
	Renewed time.Time `json:"renewed,omitzero"`

	sequence uint64 // in the live stream
}

// attendance is a session's own hold on its record. One at a time writes it.
type attendance struct {
	*site
	link  *link
	live  *live
	lease time.Duration // how long the node is there without a sign of life

	writing  jsapi.KeyedLocks
	revision uint64
	over     bool
}

func (v vhost) presenceSubject(session string) string {
	return v.liveSubject() + ".session." + session
}

// appear writes the session's record, whatever is there.
func (a *attendance) appear(ctx context.Context) error {
	for {
		there, err := a.presenceOf(ctx, a.id)
		if err != nil {
			return err
		}
		var sequence uint64
		if there != nil {
			sequence = there.sequence
		}
		err = a.attend(ctx, func(uint64) uint64 { return sequence })
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// appearFirst is appear of a session that opens. Where the broker has no room for the
// record, the session is there all the same, without a lease: somebody must be able
// to purge.
func (a *attendance) appearFirst(ctx context.Context) error {
	err := a.appear(ctx)
	if errors.Is(err, ErrResource) {
		a.cfg.Logger.Warn("the broker has no room to note that the session is there", "error", err)
		return nil
	}
	return err
}

// attend writes the session's record over a revision that is made of the last one
// it has written. A session that ends has none.
func (a *attendance) attend(ctx context.Context, over func(uint64) uint64) error {
	unlock, err := a.writing.Lock(ctx, a.id)
	if err != nil {
		return err
	}
	defer unlock()
	if a.over {
		return nil
	}
	msg, err := a.presenceMessage()
	if err != nil {
		return err
	}
	revision, err := jsapi.CompareAndSet(ctx, a.js, a.live, msg, over(a.revision))
	if err == nil {
		a.revision = revision
	}
	return err
}

// renew writes the record over the one that this session wrote last. A conflict
// says that the session was written off, or has missed something.
func (a *attendance) renew(ctx context.Context) error {
	return a.attend(ctx, func(last uint64) uint64 { return last })
}

// presenceMessage is the record as it is to be now. Of a session that nobody
// misses it is gone by itself, long after the lease.
func (a *attendance) presenceMessage() (*nats.Msg, error) {
	p := presence{Server: a.link.nc.ConnectedServerName(), ServerID: a.link.nc.ConnectedServerId()}
	p.Connection, _ = a.link.nc.GetClientID()
	return a.writePresence(a.id, p)
}

func (a *attendance) writePresence(session string, p presence) (*nats.Msg, error) {
	data, err := json.Marshal(p)
	msg := &nats.Msg{Subject: a.vhost.presenceSubject(session), Header: nats.Header{}, Data: data}
	msg.Header.Set(jetstream.MsgTTLHeader, (max(a.lease, time.Second) * 10).Truncate(time.Second).String())
	return msg, err
}

// withdraw takes the record away as the session ends. Where that takes long, its lease
// does it.
func (a *attendance) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, jsapi.AnswerTime)
	defer cancel()
	unlock, err := a.writing.Lock(ctx, a.id)
	if err != nil {
		return
	}
	defer unlock()
	a.over = true
	// By its subject: in another life of the broker, what was its sequence is another's.
	err = jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		return a.live.Purge(ctx, jetstream.WithPurgeSubject(a.vhost.presenceSubject(a.id)))
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		a.cfg.Logger.Debug("could not say that the session has ended", "error", err)
	}
}

// stayPresent renews the record until the session ends.
func (n *node) stayPresent() {
	behind := false
	n.every(n.attendance.lease/renewals, func() {
		if !n.nc.IsConnected() {
			return // what is put right when it is has the record among it
		}
		behind = n.renewOnce(behind) != nil
		if behind && n.ctx.Err() == nil {
			n.cfg.Logger.Warn("could not say yet that the session is there")
		}
	})
}

// renewOnce renews the record, and puts right what the session may have missed.
func (n *node) renewOnce(behind bool) error {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timeout)
	defer cancel()
	asked := time.Now()
	err := n.attendance.renew(ctx)
	late := time.Since(asked) > n.attendance.lease/renewals*3/4
	if err == nil && !late && !behind {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if n.ctx.Err() == nil {
		n.cfg.Logger.Info("registers again: it may have missed something", "error", err)
	}
	return n.comeBack()
}

// comeBack registers the session again with all that it uses, reads what it may
// have missed of changes, and has its consumers follow it.
func (n *node) comeBack() error {
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Timeout)
	defer cancel()
	n.exchanges.clear()
	n.queues.owned.forgetRecords()
	for _, notice := range n.allNotices() {
		notice.hold()
		n.run(func() { notice.catchUp(n.ctx) })
	}
	return n.rejoin(ctx, false)
}

// presenceOf reads the record of a session; nil says that there is none.
func (a *attendance) presenceOf(ctx context.Context, session string) (*presence, error) {
	msg, err := jsapi.LastMessage(ctx, a.live, a.vhost.presenceSubject(session))
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &presence{sequence: msg.Sequence}
	_ = json.Unmarshal(msg.Data, p) // of a damaged one, the time counts
	p.sequence = msg.Sequence
	if p.Renewed.IsZero() {
		p.Renewed = msg.Time
	}
	return p, nil
}

// hasGone reports whether a session that did not answer is no more, and settles
// that: it takes the record away at which it was looked at, so that a session that
// comes back meanwhile either stays, or finds out.
func (p *peers) hasGone(ctx context.Context, session string, heard bool) (bool, error) {
	for {
		there, err := p.attendance.presenceOf(ctx, session)
		if err != nil {
			return false, err
		}
		if there == nil {
			return true, nil
		}
		now, err := p.attendance.brokerTime(ctx)
		if err != nil {
			return false, err
		}
		gone := now.Sub(there.Renewed) > p.attendance.lease
		var ended time.Time
		if !gone && !heard {
			gone, ended = p.attendance.disconnected(ctx, there)
		}
		if !gone {
			return false, nil
		}
		// Servers do not say it of clients of their default account.
		if ended.IsZero() { // it would have renewed its record
			ended = there.Renewed.Add(2 * p.attendance.lease / renewals)
		}
		if ended.After(now) {
			ended = now
		}
		if err := p.registry.noteLeftovers(ctx, session, ended); err != nil {
			return false, err
		}
		if err := p.attendance.live.drop(ctx, there.sequence); err != nil {
			return false, err
		}
	}
}

// brokerTime is what the broker's clock shows.
func (a *attendance) brokerTime(ctx context.Context) (time.Time, error) {
	live, err := a.js.Stream(ctx, a.vhost.liveStream())
	if err != nil {
		return time.Time{}, err
	}
	return live.CachedInfo().TimeStamp, nil
}

// disconnected asks the server that a session was connected to, and reports whether
// the other end of that connection has gone, and when, if the server remembers. A server
// that is not there to be asked, or does not answer such questions, says nothing.
func (a *attendance) disconnected(ctx context.Context, p *presence) (gone bool, at time.Time) {
	body, err := json.Marshal(map[string]any{
		"server_name": p.Server, "exact_match": true,
		"cid": p.Connection, "state": connectionsOfAllStates,
	})
	if err != nil || p.Connection == 0 {
		return false, at
	}
	ctx, cancel := context.WithTimeout(ctx, silence/2)
	defer cancel()
	msg, err := a.link.nc.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.CONNZ", body)
	if err != nil {
		return false, at
	}
	var said connections
	if json.Unmarshal(msg.Data, &said) != nil || said.Data.ServerID != p.ServerID {
		return false, at
	}
	return said.ended(p.Connection)
}

// connectionsOfAllStates asks for those that have been closed, too.
const connectionsOfAllStates = 2

// connections is what a server says of its connections.
type connections struct {
	Data struct {
		ServerID    string `json:"server_id"`
		Connections []struct {
			CID    uint64    `json:"cid"`
			Stop   time.Time `json:"stop"`
			Reason string    `json:"reason"`
		} `json:"connections"`
	} `json:"data"`
}

// ended reports whether a connection was closed by its other end, and when. One that the
// server has closed may be made again. A server that knows nothing of it has
// forgotten it behind thousands of later ones.
func (c connections) ended(cid uint64) (is bool, at time.Time) {
	for _, conn := range c.Data.Connections {
		if conn.CID == cid {
			return conn.Reason == "Client Closed" || strings.HasSuffix(conn.Reason, " Error"), conn.Stop
		}
	}
	return true, at
}

// noteMissed notes on the record of a session that it has missed a change, so that
// it reads what it uses once more. Its lease stays as it is.
func (a *attendance) noteMissed(ctx context.Context, session string) error {
	return a.changePresence(ctx, session, func(p *presence) bool { return !p.Missed })
}

// changePresence changes the record of a session, if there is one, and if change says that
// there is something to change. The session, which finds another record than its own, reads
// what it uses once more.
func (a *attendance) changePresence(ctx context.Context, session string, change func(*presence) bool) error {
	for {
		p, err := a.presenceOf(ctx, session)
		if err != nil || p == nil || !change(p) {
			return err
		}
		p.Missed = true
		msg, err := a.writePresence(session, *p)
		if err != nil {
			return err
		}
		if _, err = jsapi.CompareAndSet(ctx, a.js, a.live, msg, p.sequence); !errors.Is(err, errConflict) {
			return err
		}
	}
}
