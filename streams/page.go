package streams

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// The bindings of a queue are in its record while they are few, so that one
// compare-and-set decides about them. Of many, the record has the last few, and names
// pages that have the others: records that are written once, and never changed. A page
// is written before the record that names it, and goes after the record that does not
// name it any more, while the queue is held: so a record and its pages are always one
// state, and what a crash leaves over is in no record, and goes when the queue is
// repaired. Binding costs the same whether a queue has a hundred bindings or ten
// thousand.

// pageRef names a page in the record of its queue.
type pageRef struct {
	ID string `json:"id"`
	N  int    `json:"n"`
}

// pageRecord is a page as it is stored.
type pageRecord struct {
	formatted
	Bindings []bindingRecord `json:"bindings"`
}

// How many bindings, and about how many bytes of them, are kept in the record of
// their queue, and in one page.
const (
	fewBindings  = 32
	fewBytes     = 8 << 10
	pageBindings = 256
	pageBytes    = 32 << 10
)

func pageKey(queue, id string) string { return "b." + routing.NameToken(queue) + "." + id }

// size is about how long a binding is as it is stored.
func (b *bindingRecord) size() int {
	const rest = 150
	return rest + len(b.Exchange) + len(b.Life) + len(b.Key) + amqp.EncodedSize(b.Args)*4/3
}

// pages are the pages that a session has read or written, by queue and id.
type pages struct {
	mu    sync.Mutex
	known map[string]map[string][]bindingRecord
}

func (p *pages) of(queue string) map[string][]bindingRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[queue]
}

// set replaces what is known of a queue.
func (p *pages) set(queue string, all map[string][]bindingRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(all) == 0 {
		delete(p.known, queue)
		return
	}
	if p.known == nil {
		p.known = make(map[string]map[string][]bindingRecord)
	}
	p.known[queue] = all
}

// keep forgets the pages of queues that are not there.
func (p *pages) keep(queues []queueRecord) {
	there := make(map[string]bool, len(queues))
	for i := range queues {
		there[queues[i].Name] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.known, func(queue string, _ map[string][]bindingRecord) bool { return !there[queue] })
}

// errPageGone says that a record names a page that is not there: it is an old one.
var errPageGone = errors.New("a page of bindings is missing")

// queue reads the record of a queue with all its bindings; revision 0 says that there
// is none.
func (t *topology) queue(ctx context.Context, name string) (*queueRecord, uint64, error) {
	for last := uint64(0); ; {
		rec := new(queueRecord)
		revision, err := t.get(ctx, queueKey(name), rec)
		if err != nil || revision == 0 {
			t.pages.set(name, nil)
			return rec, revision, err
		}
		err = t.gather(ctx, rec)
		switch {
		case errors.Is(err, errPageGone) && revision != last:
			last = revision // it was changed meanwhile, or lacks a page
		case errors.Is(err, errPageGone) && rec.Deleting:
			rec.Pages = nil // they went first, and what hung on them before
			return rec, revision, nil
		case errors.Is(err, errPageGone):
			return nil, 0, t.damaged(queueKey(name), err)
		default:
			return rec, revision, err
		}
	}
}

// gather puts the bindings of its pages into a record as it was read.
func (t *topology) gather(ctx context.Context, rec *queueRecord) error {
	if rec.gathered {
		return nil
	}
	known := t.pages.of(rec.Name)
	all := make(map[string][]bindingRecord, len(rec.Pages))
	var bindings []bindingRecord
	for _, ref := range rec.Pages {
		page, ok := known[ref.ID]
		if !ok {
			var err error
			if page, err = t.page(ctx, rec.Name, ref.ID); err != nil {
				return err
			}
		}
		if len(page) != ref.N {
			return errPageGone
		}
		all[ref.ID] = page
		bindings = append(bindings, page...)
	}
	rec.Bindings = append(bindings, rec.Bindings...)
	rec.gathered = true
	t.pages.set(rec.Name, all)
	return nil
}

// page reads a page.
func (t *topology) page(ctx context.Context, queue, id string) ([]bindingRecord, error) {
	var page pageRecord
	revision, err := t.get(ctx, pageKey(queue, id), &page)
	if err == nil && revision == 0 {
		err = errPageGone
	}
	for i := range page.Bindings {
		page.Bindings[i].page = id
	}
	return page.Bindings, err
}

// few are the bindings of a record that are in none of its pages: what is stored
// with it.
func (rec *queueRecord) few() []bindingRecord {
	if !rec.gathered {
		return rec.Bindings
	}
	paged := 0
	for _, ref := range rec.Pages {
		paged += ref.N
	}
	return rec.Bindings[paged:]
}

// paginate makes the pages of a record those of its bindings: a page of which a
// binding has changed is given up, and of those that are in no page, new ones are
// made when there are too many. It gives the pages to write.
func (rec *queueRecord) paginate(known map[string][]bindingRecord) (fresh map[string][]bindingRecord) {
	byPage := make(map[string][]bindingRecord)
	for _, b := range rec.Bindings {
		byPage[b.page] = append(byPage[b.page], b)
	}
	var kept []pageRef
	var bindings, loose []bindingRecord
	for _, ref := range rec.Pages {
		if page := byPage[ref.ID]; slices.EqualFunc(page, known[ref.ID], sameBinding) {
			kept = append(kept, ref)
			bindings = append(bindings, page...)
			continue
		}
		loose = append(loose, byPage[ref.ID]...)
	}
	loose = append(loose, byPage[""]...)
	for i := range loose {
		loose[i].page = ""
	}
	rec.Pages, fresh = kept, make(map[string][]bindingRecord)
	if tooMany(loose, fewBindings, fewBytes) {
		for page := range bindingPages(loose) {
			id := newID()
			for i := range page {
				page[i].page = id
			}
			fresh[id] = slices.Clone(page)
			rec.Pages = append(rec.Pages, pageRef{ID: id, N: len(page)})
		}
	}
	rec.Bindings, rec.gathered = append(bindings, loose...), true
	return fresh
}

// sameBinding compares a binding with what is stored of it. Nobody changes arguments.
func sameBinding(a, b bindingRecord) bool {
	return a.Exchange == b.Exchange && a.Volatile == b.Volatile && a.Life == b.Life && a.Kind == b.Kind &&
		a.Key == b.Key && a.From == b.From && a.Until == b.Until && a.Ended == b.Ended &&
		a.Settled == b.Settled
}

func tooMany(list []bindingRecord, most, bytes int) bool {
	for i := range list {
		bytes -= list[i].size()
	}
	return len(list) > most || bytes < 0
}

// bindingPages cuts bindings into pages. One that is larger than a page has its own.
func bindingPages(list []bindingRecord) func(func([]bindingRecord) bool) {
	return func(yield func([]bindingRecord) bool) {
		begin, bytes := 0, 0
		for i := range list {
			size := list[i].size()
			if i > begin && (i-begin == pageBindings || bytes+size > pageBytes) {
				if !yield(list[begin:i]) {
					return
				}
				begin, bytes = i, 0
			}
			bytes += size
		}
		yield(list[begin:])
	}
}

// putQueue writes the record of a queue that is held, with its pages: those that are
// new before it, and after it those away that are not its any more.
func (t *topology) putQueue(ctx context.Context, rec *queueRecord, revision uint64) (uint64, error) {
	known := t.pages.of(rec.Name)
	fresh := rec.paginate(known)
	for id, page := range fresh {
		if _, err := t.put(ctx, pageKey(rec.Name, id), &pageRecord{Bindings: page}, 0); err != nil {
			return 0, err
		}
	}
	revision, err := t.put(ctx, queueKey(rec.Name), rec, revision)
	if errors.Is(err, errConflict) {
		for id := range fresh { // whoever has the queue now may have looked for them before
			_ = t.purge(ctx, pageKey(rec.Name, id))
		}
	}
	if err != nil {
		return 0, err
	}
	now := make(map[string][]bindingRecord, len(rec.Pages))
	for _, ref := range rec.Pages {
		if now[ref.ID] = fresh[ref.ID]; now[ref.ID] == nil {
			now[ref.ID] = known[ref.ID]
		}
	}
	t.pages.set(rec.Name, now)
	for id := range known {
		if now[id] == nil {
			if err := t.purge(ctx, pageKey(rec.Name, id)); err != nil {
				return revision, err
			}
		}
	}
	return revision, nil
}

// removeQueue takes away the record of a queue that is held, and its pages before. Whoever
// held it earlier may have left some that the record does not name.
func (t *topology) removeQueue(ctx context.Context, rec *queueRecord, revision uint64, loose bool) error {
	if loose || len(rec.Pages) > 0 {
		if err := t.purge(ctx, pageKey(rec.Name, ">")); err != nil {
			return err
		}
	}
	t.pages.set(rec.Name, nil)
	return t.remove(ctx, revision)
}

// dropLoosePages takes away the pages of a queue that its record does not name: a
// session left them that died, or that the queue was taken from.
func (t *topology) dropLoosePages(ctx context.Context, rec *queueRecord) error {
	subjects, err := jsapi.SubjectsOf(ctx, t.stream, t.prefix+pageKey(rec.Name, "*"))
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		id := subject[strings.LastIndexByte(subject, '.')+1:]
		if slices.ContainsFunc(rec.Pages, func(ref pageRef) bool { return ref.ID == id }) {
			continue
		}
		if err := t.purge(ctx, pageKey(rec.Name, id)); err != nil {
			return err
		}
	}
	return nil
}

// purge takes records away, whatever they are.
func (t *topology) purge(ctx context.Context, key string) error {
	return jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		return t.stream.Purge(ctx, jetstream.WithPurgeSubject(t.prefix+key))
	})
}

// fits refuses what the server would not take in one record.
func (t *topology) fits(what string, size int) error {
	const rest = 512 // headers, and what is in a page besides a binding
	if limit := t.js.Conn().MaxPayload(); int64(size+rest) > limit {
		return errPrecondition("%s is %d bytes long with its arguments, and the server takes %d in all; use shorter arguments", what, size, limit)
	}
	return nil
}
