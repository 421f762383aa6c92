package workers

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// The keys of the store in which everything about tasks is kept. An id made here
// begins with eight hex digits that are its client's own: a client hears of its
// own tasks, and of no others.

func sentKey(id string) string { return "task." + clientOf(id) + "." + id + ".sent" }

func stateKey(id string) string { return "task." + clientOf(id) + "." + id + ".state" }

// taskOf is the id of the task whose state is kept under a key.
func taskOf(stateKey string) string {
	_, id, _ := strings.Cut(strings.TrimPrefix(stateKey, "task."), ".")
	return strings.TrimSuffix(id, ".state")
}

// joinKey is where something of a group is kept: its plan, or which member broke
// it.
func joinKey(join, what string) string { return "join." + join + "." + what }

// slotKey is a member's slot on a level of a join's count, see [fanIn].
func slotKey(join string, level, index int) string {
	return "join." + join + "." + strconv.Itoa(level) + "." + strconv.Itoa(index)
}

func revokedKey(id string) string { return "revoked." + id }

// ids makes the ids of one client: UUIDs of version 4, whose first eight digits
// are the client's.
type ids struct{ client [4]byte }

func newIDs() ids {
	var i ids
	_, _ = rand.Read(i.client[:]) // it never fails
	return i
}

func (i ids) prefix() string { return hex.EncodeToString(i.client[:]) }

func (i ids) next() string {
	var b [16]byte
	_, _ = rand.Read(b[4:])
	copy(b[:], i.client[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return uuid(b[:])
}

// uuid writes sixteen bytes as UUIDs are written.
func uuid(b []byte) string {
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	text[8] = '-'
	hex.Encode(text[9:13], b[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], b[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], b[8:10])
	text[23] = '-'
	hex.Encode(text[24:], b[10:])
	return string(text[:])
}

// clientOf is the part of the keys that says whose task it is; that of an id
// that was chosen is made of the id.
func clientOf(id string) string {
	if len(id) == 36 && id[8] == '-' && isHex(id[:8]) {
		return id[:8]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32()))
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// checkID refuses what cannot be the id of a task.
func checkID(id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("task id %q: use 1 to 128 letters, digits, - _ : = and @", clip([]byte(id)))
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-' || c == '_' || c == ':' || c == '=' || c == '@':
		default:
			return fmt.Errorf("task id %q has a %q in it: use letters, digits, - _ : = and @", id, c)
		}
	}
	return nil
}
